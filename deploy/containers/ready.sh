#!/usr/bin/env bash
# Makes ready what the tests on containers use: an engine, the servers' images, and ours from the tree as it is.
# Where no registry can be reached, stand-ins take the servers' place, and our programs are built on this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
deploy/containers/engine.sh

is_here() { docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1" >/dev/null 2>&1; }
is_here nats:2.12-alpine || deploy/containers/standins.sh nats
is_here postgres:18-alpine || deploy/containers/standins.sh postgres
compiler=$(sed -n 's/^ARG RUST_IMAGE=//p' Dockerfile)
if [ -z "${BINARIES:-}" ] && ! is_here "$compiler"; then export BINARIES=prebuilt; fi
if [ "${BINARIES:-}" = prebuilt ]; then deploy/containers/prebuild.sh; fi
docker compose --profile demo --profile tools build
