#!/usr/bin/env bash
# The Justfile's verbs that mean containers where Docker answers, and processes of this machine elsewhere.
# Usage: verb.sh up [--local | --containers] [--demo] [--observe] [FLAG]…
#        verb.sh down | status | logs [SERVICE] [-f] | scale SERVICE=N… | nats ARGUMENT… | psql ARGUMENT… | tap SUBJECT…
set -euo pipefail
cd "$(dirname "$0")/../.."

compose() { docker compose --profile demo --profile observe "$@"; }
is_there() { docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; }
runs() { is_there && [ -n "$(compose ps --quiet 2>/dev/null)" ]; }
# What `demo` and `up` built, as it is: a look at what runs must not wait for a compiler.
built() { # program
  local program=target/release/$1
  if [ ! -x "$program" ]; then
    ./just build
  elif [ -n "$(find Cargo.lock shared services deploy/stack/src -newer "$program" \( -name '*.rs' -o -name Cargo.lock \) -print 2>/dev/null | head -n 1)" ]; then
    echo "note: this \`$1\` is older than the sources beside it; \`./just build\` builds it" >&2
  fi
}
stack() {
  built stack
  target/release/stack "$@"
}
refuse() { echo "$*" >&2; exit 1; }

up() {
  local where=auto profiles=() flags=()
  while [ $# -gt 0 ]; do
    case "$1" in
      --local | --containers) where=${1#--} ;;
      --demo) profiles+=(--profile demo) ;;
      --observe)
        profiles+=(--profile observe)
        export OTEL_EXPORTER_OTLP_ENDPOINT="${OTEL_EXPORTER_OTLP_ENDPOINT:-http://jaeger:4317}"
        ;;
      *) flags+=("$1") ;;
    esac
    shift
  done
  if [ "$where" = auto ]; then where=local; if is_there; then where=containers; fi; fi
  if [ "$where" = local ]; then
    [ ${#profiles[@]} = 0 ] || refuse "--demo and --observe are for containers; without them: \`./just demo\`"
    ./just build
    exec target/release/stack ${flags[@]+"${flags[@]}"} up
  fi
  is_there || refuse "no Docker engine with Compose answers here; \`./just up --local\` runs everything without"
  if ! docker compose ${profiles[@]+"${profiles[@]}"} up --build --wait ${flags[@]+"${flags[@]}"}; then
    refuse "not everything came up: \`./just status\` and \`./just logs SERVICE\` tell more; where the image of the Rust
compiler cannot be pulled, run deploy/containers/prebuild.sh and try again with BINARIES=prebuilt"
  fi
  echo "the page: http://$(docker compose port dashboard 8080); \`./just down\` ends everything and keeps the data"
}

# The read-only login; the client's own image first, then its program, then ours.
nats() {
  local terminal=()
  if [ ! -t 0 ] || [ ! -t 1 ]; then terminal=(-T); fi
  if ! runs; then
    # `command -v` would find this very function.
    type -P nats >/dev/null || refuse "nothing runs in containers, and the program \`nats\` is not on PATH
(github.com/nats-io/natscli); \`./just tap 'ticks.>'\` shows the same, decoded"
    NATS_URL="${NATS_URL:-$(cat .local/run/nats-url 2>/dev/null || echo nats://127.0.0.1:4222)}" exec nats "$@"
  fi
  if docker image inspect "$(docker compose --profile tools config --images nats-cli)" >/dev/null 2>&1 ||
    docker compose --profile tools pull --quiet nats-cli 2>/dev/null; then
    exec docker compose --profile tools run --rm --no-deps ${terminal[@]+"${terminal[@]}"} nats-cli "$@"
  fi
  [ "${1:-}" = sub ] || refuse "the image of the \`nats\` program cannot be pulled; only \`nats sub SUBJECT\` works without"
  echo "the image of the \`nats\` program cannot be pulled: our own \`tap\` shows the subject, decoded" >&2
  shift
  exec docker compose --profile tools run --rm --no-deps ${terminal[@]+"${terminal[@]}"} tap "$@"
}

verb=${1:?a verb}
shift
case "$verb" in
  up) up "$@" ;;
  down)
    if runs; then compose down; else stack down; fi ;;
  status)
    if runs; then compose ps --all; else stack status; fi ;;
  logs)
    if runs; then compose logs --tail 50 "$@"; else stack logs "$@"; fi ;;
  scale)
    [ $# -gt 0 ] || refuse "scale what? \`./just scale processor=4\`"
    runs || refuse "nothing runs in containers; \`./just up\` starts it"
    # As the others run: without their profiles, and without a look at what they depend on.
    docker compose up --detach --wait --no-deps --no-recreate "${@/#/--scale=}" "${@%%=*}" ;;
  nats) nats "$@" ;;
  psql)
    built stack
    exec target/release/stack psql "$@" ;;
  tap)
    built tap
    NATS_URL="${NATS_URL:-$(cat .local/run/nats-url 2>/dev/null || echo nats://127.0.0.1:4222)}" exec target/release/tap "$@" ;;
  *) refuse "verb.sh: there is no verb \`$verb\`" ;;
esac
