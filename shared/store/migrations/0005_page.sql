-- What the page asks of one token: its ladder since the last stored book, its chart. A token id has up to 78
-- digits: its hash makes the index a third as large, on the table that grows fastest.

set local role polyfeed_owner;

create index prices_by_token on polyfeed.prices (hashtext(token_id), changed_at);

-- Since when a market is known; null for those that were known before this step.
alter table polyfeed.markets add column first_seen_at timestamptz;
alter table polyfeed.markets alter column first_seen_at set default now();

create or replace view api.markets as
select
    condition_id, slug, question, end_at, active, closed, neg_risk, tick_size, volume_24h, tokens, updated_at,
    first_seen_at
from polyfeed.markets;
