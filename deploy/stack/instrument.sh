#!/usr/bin/env bash
# The compiler for the crates of this workspace, with coverage: cargo's RUSTC_WORKSPACE_WRAPPER, so that the
# dependencies are built once for programs with it and without. In bash, since dash hands on no variable with a hyphen
# in its name (CARGO_BIN_EXE_venue-sim).
exec "$@" -C instrument-coverage
