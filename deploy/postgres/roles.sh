#!/bin/sh
# Makes the logins of the database, or gives them their passwords again: no service is a superuser. Runs in
# /docker-entrypoint-initdb.d of the Postgres image, and at each start of the local stack.
# Passwords come from files: migrator, writer, reader.
set -eu
secrets=${POLYFEED_SECRETS:-/run/secrets}
for name in migrator writer reader; do
  if [ ! -s "$secrets/$name" ]; then
    echo "roles.sh: \`$secrets/$name\` is missing or empty: it holds the password of polyfeed_$name" >&2
    exit 1
  fi
done
# psql reads them by itself: on its command line every process could see them.
psql -X -q -v ON_ERROR_STOP=1 --no-password --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-polyfeed}" <<SQL
\set migrator \`cat '$secrets/migrator'\`
\set writer \`cat '$secrets/writer'\`
\set reader \`cat '$secrets/reader'\`
set client_min_messages = 'warning';
set log_statement = 'none';
set log_min_error_statement = 'panic';
set password_encryption = 'scram-sha-256';
select format('create role %I', name)
from unnest(array['polyfeed_owner', 'polyfeed_migrator', 'polyfeed_writer', 'polyfeed_reader']) name
where not exists (select from pg_roles where rolname = name)
\gexec
alter role polyfeed_migrator login createrole connection limit 4 password :'migrator';
alter role polyfeed_writer login connection limit 16 password :'writer';
alter role polyfeed_reader login connection limit 16 password :'reader';
-- The tables belong to polyfeed_owner, whom the migrator may become. It sets limits of the other two and is neither.
grant polyfeed_owner to polyfeed_migrator with admin true, inherit true, set true;
grant polyfeed_writer, polyfeed_reader to polyfeed_migrator with admin true, inherit false, set false;
alter database :"DBNAME" owner to polyfeed_migrator;
-- What only a superuser may take: nobody stores large objects, nobody of ours has business in the other databases (where no
-- limit of ours holds), and a reader's query does not fill the disk.
select format('revoke execute on function %s from public', oid::regprocedure)
from pg_proc
where pronamespace = 'pg_catalog'::regnamespace and (proname ~ '^lo_' or proname in ('loread', 'lowrite'))
\gexec
revoke connect, temporary on database postgres, template1 from public;
revoke temporary on database :"DBNAME" from public;
alter role polyfeed_reader set temp_file_limit = '1GB';
SQL
