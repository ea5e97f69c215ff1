-- Roles, schemas and rights. Runs as the login that migrates; all that follows belongs to `polyfeed_owner`.
-- Roles are shared by all databases of a server, so another database may make them at this very moment.

do $$
begin
    begin
        create role polyfeed_owner nologin;
    exception when duplicate_object or unique_violation then null;
    end;
    begin
        create role polyfeed_writer login connection limit 16;
    exception when duplicate_object or unique_violation then null;
    end;
    begin
        create role polyfeed_reader login connection limit 16;
    exception when duplicate_object or unique_violation then null;
    end;
    if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        execute format('grant polyfeed_owner to %I', current_user);
    end if;
    execute format('revoke temporary on database %I from public', current_database());
    execute format('alter role polyfeed_reader in database %I set default_transaction_read_only = on', current_database());
    execute format('alter role polyfeed_reader in database %I set statement_timeout = ''3s''', current_database());
    execute format('alter role polyfeed_reader in database %I set idle_in_transaction_session_timeout = ''30s''', current_database());
    execute format('alter role polyfeed_writer in database %I set lock_timeout = ''5s''', current_database());
    execute format('alter role polyfeed_writer in database %I set idle_in_transaction_session_timeout = ''30s''', current_database());
end
$$;

revoke all on schema public from public;

create schema polyfeed authorization polyfeed_owner;
create schema api authorization polyfeed_owner;

set local role polyfeed_owner;

grant usage on schema polyfeed to polyfeed_writer;
grant usage on schema api to polyfeed_reader;

-- What was done to this database, and with which text.
create table polyfeed.migrations (
    version integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);
grant select on polyfeed.migrations to polyfeed_writer;
