#!/bin/sh
# Prints the folder that holds promtool and prometheus: the one on PATH, else Debian's package, unpacked once into
# .local/ (apt checks its signature; no daemon is installed). Fails with one sentence when neither can be had.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
if found=$(command -v promtool); then dirname "$found"; exit; fi
home="$root/.local/tools/prometheus"
if [ ! -x "$home/promtool" ]; then
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "promtool: not on PATH, and no apt-get to fetch it with; install Prometheus" >&2
    exit 1
  fi
  mkdir -p "$root/.local/tools"
  fresh=$(mktemp -d "$root/.local/tools/fetching.XXXXXX")
  trap 'rm -rf "$fresh"' EXIT
  echo "fetching promtool and prometheus (once) …" >&2
  fetch() { (cd "$fresh" && apt-get download -qq prometheus >/dev/null 2>&1); }
  # A fresh machine has no list of packages yet.
  fetch || { [ "$(id -u)" = 0 ] && apt-get update -qq >/dev/null 2>&1 && fetch; } ||
    { echo "promtool: apt-get could not fetch the package prometheus (no network? no lists: apt-get update)" >&2; exit 1; }
  dpkg-deb -x "$fresh"/prometheus_*.deb "$fresh/unpacked"
  # Whoever was quicker has fetched the same package.
  mv -T "$fresh/unpacked/usr/bin" "$home" 2>/dev/null || [ -x "$home/promtool" ]
fi
echo "$home"
