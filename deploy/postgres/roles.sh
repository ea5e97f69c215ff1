#!/bin/sh
# Makes the logins of the database at its first start; runs in /docker-entrypoint-initdb.d of the Postgres image.
# Passwords come from files, one each: migrator, writer, reader. No service is a superuser.
set -eu
secrets=${POLYFEED_SECRETS:-/run/secrets}
for name in migrator writer reader; do
  if [ ! -s "$secrets/$name" ]; then
    echo "roles.sh: \`$secrets/$name\` is missing or empty: it holds the password of polyfeed_$name" >&2
    exit 1
  fi
done
# psql reads them by itself: on its command line every process could see them.
psql -X -v ON_ERROR_STOP=1 --no-password --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-postgres}" <<SQL
\set migrator \`cat '$secrets/migrator'\`
\set writer \`cat '$secrets/writer'\`
\set reader \`cat '$secrets/reader'\`
set log_statement = 'none';
set log_min_error_statement = 'panic';
set password_encryption = 'scram-sha-256';
create role polyfeed_migrator login createrole connection limit 4 password :'migrator';
create role polyfeed_writer login connection limit 16 password :'writer';
create role polyfeed_reader login connection limit 16 password :'reader';
-- It sets limits of the two, and is neither of them.
grant polyfeed_writer, polyfeed_reader to polyfeed_migrator with admin true, inherit false, set false;
alter database :"DBNAME" owner to polyfeed_migrator;
SQL
