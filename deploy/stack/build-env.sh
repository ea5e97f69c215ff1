# How the tests build, to be sourced: one target, one set of flags and features for lints, programs, images and
# tests, so that each dependency is compiled once. Everything builds the whole workspace with its tests or examples: a
# part of it would unify other features.
# shellcheck shell=bash

if [ -z "${POLYFEED_BUILD_ENV:-}" ]; then
  # Who sources this again, in a script below, gets the same.
  export POLYFEED_BUILD_ENV=$PWD
  # Nobody builds the same tree again within a check, and a coverage build is not to be mixed.
  export CARGO_INCREMENTAL=0
  unset CARGO_TARGET_DIR RUSTC_WORKSPACE_WRAPPER
  HOST=$(rustc -vV | sed -n 's/^host: //p')
  # Named, so that build scripts and macros get no flag of the programs.
  export HOST CARGO_BUILD_TARGET=$HOST
  # Where the programs lie.
  export PROGRAMS=$PWD/target/$HOST/debug
  # What lies in an image is static; where the machine has no static C library, only the images are not tested.
  STATIC=no
  if echo 'int main(void) { return 0; }' | ${CC:-cc} -static -x c -o /dev/null - 2>/dev/null; then
    STATIC=yes
    RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
  fi
  # Rust brings a fast linker of its own for Linux on x86-64; elsewhere on Linux one is used where it is.
  if [ "$(uname)" = Linux ] && [ "$HOST" != x86_64-unknown-linux-gnu ]; then
    for linker in mold lld; do
      if command -v "$linker" >/dev/null; then
        RUSTFLAGS="${RUSTFLAGS:-} -C link-arg=-fuse-ld=$linker"
        break
      fi
    done
  fi
  export STATIC RUSTFLAGS="${RUSTFLAGS:-}"
fi

# From here on our own crates are compiled for coverage, beside those that are not.
instrument() {
  export RUSTC_WORKSPACE_WRAPPER=$PWD/deploy/stack/instrument.sh
  # Four files a program, into which its processes merge: thousands of processes leave about a hundred (109 seen).
  export LLVM_PROFILE_FILE=$PWD/target/profiles/%4m.profraw
}
