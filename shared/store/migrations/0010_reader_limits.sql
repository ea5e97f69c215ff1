-- What a reader may leave behind: nothing. Its transactions are read-only by a default that any session may switch off;
-- rights are not.
-- The rights to the system's functions are a superuser's to take. Where another login migrates, deploy/postgres/roles.sh
-- (on Kubernetes the cluster's first statements) has taken them before; this looks whether it has.

do $$
declare
    each regprocedure;
begin
    execute format('revoke temporary on database %I from public', current_database());
    if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        for each in
            select oid from pg_catalog.pg_proc
            where pronamespace = 'pg_catalog'::regnamespace and (proname ~ '^lo_' or proname in ('loread', 'lowrite'))
        loop
            execute format('revoke execute on function %s from public', each);
        end loop;
        execute format('alter role polyfeed_reader in database %I set temp_file_limit = ''1GB''', current_database());
    end if;
    if has_function_privilege('polyfeed_reader', 'pg_catalog.lo_from_bytea(oid, bytea)', 'execute') then
        raise warning 'readers may store large objects: run deploy/postgres/roles.sh as a superuser';
    end if;
end
$$;
