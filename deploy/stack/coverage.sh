#!/usr/bin/env bash
# How many lines the last run reached: a table of every file in .local/log/coverage.txt, its last line printed.
# Usage: coverage.sh LIST PERCENT_MIN   (LIST: the test programs, as nextest lists them in JSON)
# with LLVM_COV, LLVM_PROFDATA and the build's environment. Fails below the limit.
set -euo pipefail
list=$1 least=$2
folder=${PROGRAMS:?the environment of build-env.sh}
report=.local/log/coverage.txt
merged=target/profiles/all.profdata
# A process that a test killed may leave a cut profile behind, which must not void the others.
"$LLVM_PROFDATA" merge --sparse --failure-mode=all -o "$merged" target/profiles/*.profraw
paths=$(python3 -c 'import json, sys; [print(one["binary-path"]) for one in json.load(open(sys.argv[1]))["rust-binaries"].values()]' "$list")
objects=()
for program in feed processor writer dashboard venue-sim stack tap; do objects+=(-object "$folder/$program"); done
while read -r path; do objects+=(-object "$path"); done <<<"$paths"
# Code of the tests and benches themselves is not what coverage is about; the simulator counts.
"$LLVM_COV" report "${objects[@]:1}" --instr-profile="$merged" --summary-only \
  --ignore-filename-regex='^/rustc/|/rustlib/|/registry/|/tests/(e2e|containers|browser|bench)/|/tests/[^/]+\.rs$|/tests/all/' >"$report"
awk 'NR == 1 || /^TOTAL/' "$report"
echo "every file: $report"
awk -v least="$least" '/^TOTAL/ { sub("%", "", $10); reached = $10 + 0 } END { exit !(reached >= least + 0) }' "$report"
