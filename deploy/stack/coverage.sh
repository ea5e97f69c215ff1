#!/usr/bin/env bash
# How many lines the last run reached: a table of every file in .local/log/coverage.txt, its last line printed.
# Usage: coverage.sh RUNNER PERCENT_MIN   with LLVM_COV, LLVM_PROFDATA and the build's environment. Fails below the limit.
set -euo pipefail
runner=$1 least=$2
programs=(feed processor writer dashboard venue-sim stack tap)
report=.local/log/coverage.txt
merged=target/profiles/all.profdata
# A process that a test killed may leave a cut profile behind, which must not void the others.
"$LLVM_PROFDATA" merge --sparse --failure-mode=all -o "$merged" target/profiles/*.profraw
objects=()
for program in "${programs[@]}"; do objects+=(-object "$PROGRAMS/$program"); done
while read -r path; do objects+=(-object "$path"); done < <(
  "$runner" nextest list --locked --workspace --lib --tests --list-type binaries-only --message-format json 2>/dev/null |
    python3 -c 'import json, sys; [print(one["binary-path"]) for one in json.load(sys.stdin)["rust-binaries"].values()]'
)
# Code of the tests and benches themselves is not what coverage is about; the simulator counts.
"$LLVM_COV" report "${objects[@]:1}" --instr-profile="$merged" --summary-only \
  --ignore-filename-regex='^/rustc/|/rustlib/|/registry/|/tests/(e2e|containers|browser|bench)/|/tests/[^/]+\.rs$|/tests/all/' >"$report"
awk 'NR == 1 || /^TOTAL/' "$report"
echo "every file: $report"
awk -v least="$least" '/^TOTAL/ { sub("%", "", $10); exit !($10 + 0 >= least + 0) }' "$report"
