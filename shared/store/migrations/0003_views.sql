-- What readers may rely on: names and order of columns are a promise (CHANGELOG).

set local role polyfeed_owner;

create view api.trades as
select
    t.id, t.condition_id, t.token_id, m.question,
    (
        select o.value ->> 'outcome' from jsonb_array_elements(m.tokens) o
        where o.value ->> 'token_id' = t.token_id limit 1
    ) as outcome,
    t.side, t.price, t.size, t.size_source, t.origin,
    t.executed_at, t.received_at, t.judged_at, t.stored_at,
    round(extract(epoch from t.received_at - t.executed_at), 6) as age_s,
    t.verdict, t.reasons, t.best_bid, t.best_ask, t.deviation, t.confirmed, t.transaction_hash
from polyfeed.trades t
left join polyfeed.markets m on m.condition_id = t.condition_id;

create view api.prices as
select id, condition_id, token_id, side, price, size, best_bid, best_ask, changed_at, received_at
from polyfeed.prices;

create view api.books as
select id, condition_id, token_id, bids, asks, hash, hash_ok, changed_at, received_at
from polyfeed.books;

create view api.markets as
select
    condition_id, slug, question, end_at, active, closed, neg_risk, tick_size, volume_24h, tokens, updated_at
from polyfeed.markets;

create view api.gaps as
select id, condition_id, shard, cause, opened_at, healed_at, trades_recovered
from polyfeed.gaps;

create view api.dead_letters as
select id, service, subject, error, payload, at
from polyfeed.dead_letters;

create view api.totals as
select name, sum(rows)::bigint as rows from polyfeed.totals group by name;

grant select on all tables in schema api to polyfeed_reader;
