-- What a market belongs to, and how it ended.

set local role polyfeed_owner;

alter table polyfeed.markets
    add column event_slug text,
    add column series_slug text,
    add column tags text[] not null default '{}',
    add column resolved_at timestamptz,
    add column winning_token_id text,
    add column winning_outcome text,
    add column resolution_source text check (resolution_source in ('market_resolved', 'resolutions'));
create index markets_by_series on polyfeed.markets (series_slug, end_at) where series_slug is not null;

create or replace view api.markets as
select
    condition_id, slug, question, end_at, active, closed, neg_risk, tick_size, volume_24h, tokens, updated_at,
    first_seen_at, event_slug, series_slug, tags, order_size_min, resolved_at, winning_token_id, winning_outcome,
    resolution_source
from polyfeed.markets;

comment on view api.markets is 'Markets as the catalogue and the sockets described them last; unknown is null.';
comment on column api.markets.end_at is 'When it is to end, UTC; many stay open for weeks beyond.';
comment on column api.markets.active is 'Open for trading; never true of a closed one.';
comment on column api.markets.closed is 'Resolved or withdrawn.';
comment on column api.markets.tick_size is 'Price step, in dollars a share.';
comment on column api.markets.order_size_min is 'Smallest order, in shares.';
comment on column api.markets.volume_24h is 'Volume of the last 24 hours, in USDC.';
comment on column api.markets.first_seen_at is 'Since when it is known here; null of those known before that was kept.';
comment on column api.markets.event_slug is 'Name of its event in the venue''s addresses.';
comment on column api.markets.series_slug is 'Name of the series that its event belongs to.';
comment on column api.markets.tags is 'Labels of the venue.';
comment on column api.markets.resolved_at is 'When the venue said how it ended, UTC.';
comment on column api.markets.winning_token_id is
    'The token that pays; null while unknown, and where more than one pays.';
comment on column api.markets.winning_outcome is 'Name of the outcome of that token.';
comment on column api.markets.resolution_source is
    'market_resolved: a frame of the sockets; resolutions: the Data API, asked once the catalogue called it closed.';
