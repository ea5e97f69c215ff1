#!/usr/bin/env bash
# Makes ready what the tests on containers use. Usage: ready.sh [servers | images [FOLDER]]
#   servers   an engine, and the servers' images; where no registry can be reached, stand-ins take their place
#   images    ours, from the tree as it is; where the compiler's image cannot be had, from the programs in FOLDER
#             (static ones), or from programs that are built on this machine
# Alone: both.
set -euo pipefail
cd "$(dirname "$0")/../.."

is_here() { docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1" >/dev/null 2>&1; }
servers() {
  deploy/containers/engine.sh
  is_here nats:2.12-alpine || deploy/containers/standins.sh nats
  is_here postgres:18-alpine || deploy/containers/standins.sh postgres
}
images() {
  local compiler
  compiler=$(sed -n 's/^ARG RUST_IMAGE=//p' Dockerfile)
  if [ -z "${BINARIES:-}" ] && ! is_here "$compiler"; then export BINARIES=prebuilt; fi
  if [ "${BINARIES:-}" = prebuilt ]; then deploy/containers/prebuild.sh "$@"; fi
  docker compose --profile demo --profile tools build
}

case "${1:-}" in
  servers) servers ;;
  images) shift; images "$@" ;;
  '') servers; images ;;
  *) echo "ready.sh: there are servers and images, not \`$1\`" >&2; exit 64 ;;
esac
