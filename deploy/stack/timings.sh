#!/usr/bin/env bash
# Where the last whole run of `./just test` spent its time: each stage, and the twenty slowest tests. Written between
# two marks of CONTRIBUTING.md, so that the table there is that of a real run.
set -euo pipefail
cd "$(dirname "$0")/../.."
stages=.local/log/stages.txt output=.local/log/whole-output.txt file=CONTRIBUTING.md
if [ ! -s "$stages" ] || [ ! -s "$output" ]; then
  echo "timings: no whole run yet: \`./just test\` first" >&2
  exit 1
fi
table() {
  echo "Whole run of $(date -u -r "$stages" +%Y-%m-%d), $(getconf _NPROCESSORS_ONLN) cores:"
  echo
  echo "| stage | min |"
  echo "|---|---|"
  awk -F '\t' '{ sum += $1; printf "| %s | %.1f |\n", $2, $1 / 60 } END { printf "| **together** | **%.1f** |\n", sum / 60 }' "$stages"
  echo
  echo "| slowest tests (several run at once) | s |"
  echo "|---|---|"
  # `PASS [  63.118s] (  2/905) package::program topic::sentence`
  tr -d '\033' <"$output" | sed 's/\[[0-9;]*m//g' | awk '/^ *(PASS|FAIL|TIMEOUT) \[/ {
    time = $0; sub(/^[^[]*\[ */, "", time); sub(/s\].*/, "", time)
    name = $0; sub(/^[^)]*\) */, "", name)
    if (!(name in seen)) { seen[name] = 1; printf "%.3f\t%s\n", time, name }
  }' | sort -rn | awk -F '\t' 'NR <= 20 { printf "| `%s` | %.0f |\n", $2, $1 }'
}
text=$(table)
echo "$text"
if grep -q '<!-- timings -->' "$file"; then
  TEXT=$text awk '
    /<!-- timings -->/ { print; print ENVIRON["TEXT"]; skipping = 1; next }
    /<!-- end of timings -->/ { skipping = 0 }
    !skipping { print }
  ' "$file" >"$file.new"
  mv "$file.new" "$file"
  echo
  echo "written into $file" >&2
fi
