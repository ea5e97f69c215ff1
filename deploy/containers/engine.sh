#!/usr/bin/env bash
# Makes sure that a Docker engine with Compose v2 and BuildKit answers, for the tests: one that runs is left alone; as
# root on Debian one is installed and started. Fails with one sentence elsewhere. Its log: .local/log/dockerd.log
set -euo pipefail
cd "$(dirname "$0")/../.."

refuse() { echo "containers: $*" >&2; exit 1; }
is_up() { docker info >/dev/null 2>&1; }
has_plugins() { docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; }
may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# What a killed engine left behind makes the next one wait for a containerd that is gone.
clear_remains() {
  local state=/var/run/docker/containerd/containerd.pid old
  old=$(cat "$state" 2>/dev/null || true)
  if [ -n "$old" ] && [ "$(cat "/proc/$old/comm" 2>/dev/null)" = containerd ]; then
    kill "$old" 2>/dev/null || true
    for _ in $(seq 50); do kill -0 "$old" 2>/dev/null || break; sleep 0.1; done
  fi
  rm -f /var/run/docker.pid "$state"
}

start() {
  local pid
  mkdir -p .local/log
  if ! mountpoint -q /sys/fs/cgroup && command -v cgroupfs-mount >/dev/null; then cgroupfs-mount || true; fi
  for _ in 1 2 3; do
    clear_remains
    setsid nohup dockerd >.local/log/dockerd.log 2>&1 </dev/null &
    pid=$!
    for _ in $(seq 120); do
      if is_up; then return 0; fi
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.5
    done
  done
  tail -n 20 .local/log/dockerd.log >&2
  return 1
}

# Compose v2 and buildx as plugins of the client, from Debian 13's packages; the machine's own sources stay as they are.
plugins() {
  local folder=$HOME/.docker/cli-plugins work url options package
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  # shellcheck disable=SC2016 # apt fills it in
  mirror() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1; }
  url=$(mirror)
  if [ -z "$url" ]; then apt-get update -qq; url=$(mirror); fi
  mkdir -p "$work"/{lists/partial,cache/archives/partial,parts}
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $url trixie main" >"$work/sources.list"
  options=(-o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=$work/parts"
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
  apt-get "${options[@]}" update -qq
  (cd "$work" && apt-get "${options[@]}" download -qq docker-compose docker-buildx)
  for package in "$work"/*.deb; do dpkg -x "$package" "$work/unpacked"; done
  mkdir -p "$folder"
  install -m 755 "$work"/unpacked/usr/libexec/docker/cli-plugins/docker-{compose,buildx} "$folder/"
}

if ! is_up; then
  if ! command -v dockerd >/dev/null; then
    may_install || refuse "no Docker engine answers, and none can be installed here"
    echo "installing a Docker engine …" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends docker.io cgroupfs-mount >/dev/null
  fi
  [ "$(id -u)" = 0 ] || refuse "no Docker engine answers; start it and try again"
  start || refuse "the Docker engine did not come up"
fi
if ! has_plugins; then
  may_install || refuse "Docker is here, but not its plugins Compose (v2) and buildx"
  echo "installing Docker Compose and buildx …" >&2
  plugins
  has_plugins || refuse "Docker's plugins Compose and buildx could not be installed"
fi
