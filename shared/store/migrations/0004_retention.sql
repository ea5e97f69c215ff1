-- Day partitions: made ahead, and dropped when they have expired. The writer has no DDL and no DELETE;
-- these two functions, which act as the owner, are all it may do.

set local role polyfeed_owner;

-- Makes one day partition. Rows of that day wait in the DEFAULT partition; they move, in this transaction.
create function polyfeed.make_partition(parent text, moment text, day date) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    name constant text := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
    since constant timestamptz := day::timestamp at time zone 'UTC';
    until constant timestamptz := (day + 1)::timestamp at time zone 'UTC';
begin
    if to_regclass(format('polyfeed.%I', name)) is not null then
        return false;
    end if;
    -- Nobody may add rows of that day to DEFAULT between the move and the attachment.
    execute format('lock table polyfeed.%I in access exclusive mode', parent || '_default');
    execute format('create table polyfeed.%I (like polyfeed.%I including defaults including constraints)', name, parent);
    execute format(
        'with moved as (delete from polyfeed.%I where %I >= $1 and %I < $2 returning *) insert into polyfeed.%I select * from moved',
        parent || '_default', moment, moment, name) using since, until;
    execute format('alter table polyfeed.%I attach partition polyfeed.%I for values from (%L) to (%L)', parent, name, since, until);
    return true;
end
$$;

-- Makes today's partitions and those of `days_ahead` days to come; of the `days_back` days before today only
-- those for which rows have come. Returns how many were made.
create function polyfeed.make_partitions(days_back integer, days_ahead integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
declare
    today constant date := (now() at time zone 'UTC')::date;
    made integer := 0;
    part record;
    day date;
begin
    if days_back not between 0 and 3650 or days_ahead not between 0 and 31 then
        raise invalid_parameter_value using message = 'days out of range';
    end if;
    perform pg_advisory_xact_lock(hashtext('polyfeed.partitions'));
    for part in
        select * from (values ('books', 'changed_at'), ('prices', 'changed_at'), ('trades', 'executed_at')) v (parent, moment)
    loop
        for day in execute format(
            'select distinct (%I at time zone ''UTC'')::date from polyfeed.%I where %I >= $1 and %I < $2',
            part.moment, part.parent || '_default', part.moment, part.moment)
            using (today - days_back)::timestamp at time zone 'UTC', today::timestamp at time zone 'UTC'
        loop
            made := made + polyfeed.make_partition(part.parent, part.moment, day)::integer;
        end loop;
        for ahead in 0..days_ahead loop
            made := made + polyfeed.make_partition(part.parent, part.moment, today + ahead)::integer;
        end loop;
    end loop;
    return made;
end
$$;

-- Drops every day that ended more than `days` days before today, and what is as old beside the days:
-- rows of DEFAULT by their receipt, dead letters, healed gaps. Returns the partitions dropped and the rows deleted.
create function polyfeed.drop_expired(days integer, out partitions integer, out rows bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
declare
    today constant date := (now() at time zone 'UTC')::date;
    oldest constant timestamptz := (today - days)::timestamp at time zone 'UTC';
    parent text;
    part text;
    deleted bigint;
begin
    if days not between 1 and 3650 then
        raise invalid_parameter_value using message = 'days out of range';
    end if;
    partitions := 0;
    rows := 0;
    perform pg_advisory_xact_lock(hashtext('polyfeed.partitions'));
    -- In the order in which a writer touches them, so that the two cannot wait for each other.
    foreach parent in array array['books', 'prices', 'trades'] loop
        for part in
            select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhparent = format('polyfeed.%I', parent)::regclass
                and c.relname ~ ('^' || parent || '_[0-9]{8}$')
                and to_date(right(c.relname, 8), 'YYYYMMDD') < today - days
            order by c.relname
        loop
            execute format('drop table polyfeed.%I', part);
            partitions := partitions + 1;
        end loop;
        execute format('delete from polyfeed.%I where received_at < $1', parent || '_default') using oldest;
        get diagnostics deleted = row_count;
        rows := rows + deleted;
    end loop;
    delete from polyfeed.dead_letters where at < oldest;
    get diagnostics deleted = row_count;
    rows := rows + deleted;
    delete from polyfeed.gaps where healed_at < oldest;
    get diagnostics deleted = row_count;
    rows := rows + deleted;
end
$$;

revoke all on function polyfeed.make_partition(text, text, date) from public;
revoke all on function polyfeed.make_partitions(integer, integer) from public;
revoke all on function polyfeed.drop_expired(integer) from public;
grant execute on function polyfeed.make_partitions(integer, integer) to polyfeed_writer;
grant execute on function polyfeed.drop_expired(integer) to polyfeed_writer;

select polyfeed.make_partitions(0, 2);
