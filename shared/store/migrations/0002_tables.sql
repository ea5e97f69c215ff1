-- The tables. Keys begin with the venue's time: ids are hashes, and a key that begins with one writes all over
-- the index. `NaN` sorts above every number, so that the upper bounds keep it out.

set local role polyfeed_owner;

create table polyfeed.trades (
    id uuid not null,
    condition_id text not null,
    token_id text not null,
    side text not null check (side in ('BUY', 'SELL')),
    price numeric not null check (price >= 0 and price <= 1),
    size numeric check (size >= 0 and size < 1000000000000),
    size_source text check (size_source in ('venue', 'rest')),
    origin text not null check (origin in ('socket', 'rest')),
    executed_at timestamptz not null,
    received_at timestamptz not null,
    judged_at timestamptz not null,
    stored_at timestamptz not null default now(),
    verdict text not null check (verdict in ('clean', 'flagged', 'refused')),
    reasons text[] not null check (reasons <@ array['G1', 'G3', 'G5', 'SKEW']),
    best_bid numeric check (best_bid >= 0 and best_bid <= 1),
    best_ask numeric check (best_ask >= 0 and best_ask <= 1),
    quote_age_us bigint check (quote_age_us >= 0),
    deviation numeric check (deviation >= 0 and deviation <= 1),
    confirmed boolean,
    transaction_hash text,
    price_before numeric check (price_before >= 0 and price_before <= 1),
    correlation_id text,
    primary key (executed_at, id)
) partition by range (executed_at);
create table polyfeed.trades_default partition of polyfeed.trades default;
create index trades_by_token on polyfeed.trades (token_id, executed_at, id);
create index trades_by_condition on polyfeed.trades (condition_id, executed_at, id);

create table polyfeed.prices (
    id uuid not null,
    condition_id text not null,
    token_id text not null,
    side text not null check (side in ('BUY', 'SELL')),
    price numeric not null check (price >= 0 and price <= 1),
    size numeric not null check (size >= 0 and size < 1000000000000),
    best_bid numeric check (best_bid >= 0 and best_bid <= 1),
    best_ask numeric check (best_ask >= 0 and best_ask <= 1),
    hash text,
    changed_at timestamptz not null,
    received_at timestamptz not null,
    primary key (changed_at, id)
) partition by range (changed_at);
create table polyfeed.prices_default partition of polyfeed.prices default;

create table polyfeed.books (
    id uuid not null,
    condition_id text not null,
    token_id text not null,
    bids jsonb not null check (jsonb_typeof(bids) = 'array'),
    asks jsonb not null check (jsonb_typeof(asks) = 'array'),
    hash text,
    hash_ok boolean,
    tick_size numeric check (tick_size > 0 and tick_size <= 1),
    last_trade_price numeric check (last_trade_price >= 0 and last_trade_price <= 1),
    changed_at timestamptz not null,
    received_at timestamptz not null,
    primary key (changed_at, id)
) partition by range (changed_at);
create table polyfeed.books_default partition of polyfeed.books default;
create index books_by_token on polyfeed.books (token_id, changed_at);

create table polyfeed.markets (
    condition_id text primary key,
    slug text not null,
    question text not null,
    end_at timestamptz,
    active boolean not null,
    closed boolean not null,
    neg_risk boolean not null,
    tick_size numeric check (tick_size > 0 and tick_size <= 1),
    order_size_min numeric check (order_size_min >= 0 and order_size_min < 1000000000000),
    volume_24h numeric check (volume_24h >= 0 and volume_24h < 1000000000000000),
    tokens jsonb not null check (jsonb_typeof(tokens) = 'array'),
    updated_at timestamptz not null
);

create table polyfeed.gaps (
    id uuid primary key,
    condition_id text not null,
    shard text not null,
    cause text not null,
    opened_at timestamptz not null,
    healed_at timestamptz,
    trades_recovered bigint not null check (trades_recovered >= 0)
);
create index gaps_by_condition on polyfeed.gaps (condition_id, opened_at, id);
create index gaps_by_time on polyfeed.gaps (opened_at, id);
create index gaps_open on polyfeed.gaps (opened_at, id) where healed_at is null;

create table polyfeed.dead_letters (
    id uuid primary key,
    service text not null,
    subject text not null,
    error text not null,
    payload bytea not null,
    at timestamptz not null
);
create index dead_letters_by_time on polyfeed.dead_letters (at, id);

-- Rows ever stored, by writer and table: exact, for they are counted in the transaction that stores them,
-- and one row for each writer, so that writers never wait for one another.
create table polyfeed.totals (
    writer text not null,
    name text not null,
    rows bigint not null check (rows >= 0),
    primary key (writer, name)
);

-- Storing with conflicts ignored needs INSERT alone; an upsert reads what it may replace.
grant insert on polyfeed.trades, polyfeed.prices, polyfeed.books, polyfeed.dead_letters to polyfeed_writer;
grant select, insert, update on polyfeed.markets, polyfeed.gaps, polyfeed.totals to polyfeed_writer;
