-- A gap says how far it is mended and when it was noticed. What was stored before had an end only once its trades
-- were there, and nobody kept when it was noticed.

set local role polyfeed_owner;

alter table polyfeed.gaps
    add column detected_at timestamptz,
    add column state text not null default 'open' check (state in ('open', 'waiting', 'incomplete', 'healed'));
update polyfeed.gaps set state = 'healed' where healed_at is not null;
alter table polyfeed.gaps alter column state drop default;

-- In which order states follow each other.
create function polyfeed.gap_step(state text) returns integer language sql immutable parallel safe
return array_position(array['open', 'waiting', 'incomplete', 'healed'], state);
grant execute on function polyfeed.gap_step(text) to polyfeed_writer;

create or replace view api.gaps as
select id, condition_id, shard, cause, opened_at, healed_at, trades_recovered, detected_at, state
from polyfeed.gaps;

comment on view api.gaps is
    'Spans in which ticks of a market may be missing. No row is no proof of completeness: the market must have been '
    'followed too (api.markets.first_seen_at, no gap not_followed), and what was received must be stored.';
comment on column api.gaps.opened_at is 'Up to here the market is complete.';
comment on column api.gaps.detected_at is
    'When the feed noticed; a backtest must not know of the gap before. Null of gaps stored before this column was.';
comment on column api.gaps.healed_at is 'Since when ticks flow again; null while they do not.';
comment on column api.gaps.state is
    'open: no ticks; waiting: ticks flow since healed_at, trades are still asked for; healed: its trades are there '
    '(prices and books of the span are not); incomplete: closed, and trades of it cannot be had.';
comment on column api.gaps.trades_recovered is 'Trades of the span that were fetched by REST so far.';
