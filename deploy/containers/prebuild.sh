#!/usr/bin/env bash
# Fills dist/ with the programs of the images, built on this machine: for `BINARIES=prebuilt docker compose up --build`,
# where no image of a Rust compiler can be had.
set -euo pipefail
cd "$(dirname "$0")/../.."
services/dashboard/web/build.sh
target=$(rustc -vV | sed -n 's/^host: //p')
# As the Dockerfile does it; a coverage run around it must not reach these builds.
env -u CARGO_TARGET_DIR -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER -u LLVM_PROFILE_FILE \
  RUSTFLAGS="-C target-feature=+crt-static" \
  cargo build --locked --profile image --target "$target" --target-dir target --bins \
  -p feed -p processor -p writer -p dashboard -p venue-sim -p stack -p bus
mkdir -p dist
for program in feed processor writer dashboard venue-sim stack tap; do
  cp "target/$target/image/$program" dist/
done
