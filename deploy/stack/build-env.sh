# How the tests build, to be sourced: one target, one set of flags and features for lints, programs, images and
# tests, so that each dependency is compiled once. Everything builds the whole workspace (`--workspace`): a part of it
# would unify other features.
# shellcheck shell=bash

# Nobody builds the same tree again within a check, and a coverage build is not to be mixed.
export CARGO_INCREMENTAL=0
host=$(rustc -vV | sed -n 's/^host: //p')
# Named, so that build scripts and macros get no flag of the programs.
export CARGO_BUILD_TARGET=$host
# Where the programs lie.
export PROGRAMS=$PWD/target/$host/debug
flags=${RUSTFLAGS:-}
# What lies in an image is static; where the machine has no static C library, only the images are not tested.
links_statically() { echo 'int main(void) { return 0; }' | ${CC:-cc} -static -x c -o /dev/null - 2>/dev/null; }
if links_statically; then
  export STATIC=yes
  flags="$flags -C target-feature=+crt-static"
else
  export STATIC=no
fi
# Rust brings a fast linker of its own for Linux on x86-64; elsewhere one is used where it is.
if [ "$host" != x86_64-unknown-linux-gnu ]; then
  for linker in mold lld; do
    if command -v "$linker" >/dev/null && [ "$(uname)" = Linux ]; then
      flags="$flags -C link-arg=-fuse-ld=$linker"
      break
    fi
  done
fi
export RUSTFLAGS=$flags
unset RUSTC_WORKSPACE_WRAPPER

# From here on our own crates are compiled for coverage, beside those that are not.
instrument() {
  export RUSTC_WORKSPACE_WRAPPER=$PWD/deploy/stack/instrument.sh
  # Four files a program, into which its processes merge: thousands of processes leave fifty files.
  export LLVM_PROFILE_FILE=$PWD/target/profiles/%4m.profraw
}
