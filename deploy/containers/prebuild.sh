#!/usr/bin/env bash
# Fills dist/ with the programs of the images, built on this machine: for `BINARIES=prebuilt docker compose up --build`,
# where no image of a Rust compiler can be had. Usage: prebuild.sh [FOLDER]   (FOLDER: static programs that are there)
set -euo pipefail
cd "$(dirname "$0")/../.."
from=${1:-}
if [ -z "$from" ]; then
  services/dashboard/web/build.sh
  target=$(rustc -vV | sed -n 's/^host: //p')
  # As the Dockerfile does it; flags of a test run around it must not reach these builds.
  env -u CARGO_TARGET_DIR -u CARGO_BUILD_TARGET -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER -u LLVM_PROFILE_FILE \
    RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --locked --profile image --target "$target" --target-dir target --bins \
    -p feed -p processor -p writer -p dashboard -p venue-sim -p stack -p bus
  from=target/$target/image
fi
mkdir -p dist
for program in feed processor writer dashboard venue-sim stack tap; do
  # Without line tables, which are more than half of such a file; names stay for backtraces.
  if command -v strip >/dev/null; then strip --strip-debug -o "dist/$program" "$from/$program"; else cp "$from/$program" dist/; fi
done
