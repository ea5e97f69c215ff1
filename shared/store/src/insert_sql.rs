//! The statements that store rows, one a table; each takes its columns as arrays.
//!
//! Knows: columns and their order. Never: a value.
//!
//! Conflicts are ignored without naming a key: that needs no right but INSERT.
//!
//! Why arrays and not COPY: measured on PostgreSQL 18.6, two cores, `synchronous_commit = on`, price rows in one
//! transaction each with its total (2026-11-24; arrays against binary COPY into a temporary table and an insert
//! from there): batches of 500 rows 117-134 against 81-101 thousand rows a second, of 1,000 rows 110-126 against
//! 104-110, of 5,000 rows 119-134 against 124-128. 5,000 rows that were all there already took 22 ms. Arrays are
//! never slower, need no right to make temporary tables, and work behind a transaction pooler.

/// Twenty-one arrays, in the order of the columns.
pub(crate) const TRADES: &str = "\
insert into polyfeed.trades (id, condition_id, token_id, side, price, size, size_source, origin, executed_at, \
 received_at, judged_at, verdict, reasons, best_bid, best_ask, quote_age_us, deviation, confirmed, \
 transaction_hash, price_before, correlation_id) \
select r.id, r.condition_id, r.token_id, r.side, r.price, r.size, r.size_source, r.origin, r.executed_at, \
 r.received_at, r.judged_at, r.verdict, string_to_array(r.reasons, ','), r.best_bid, r.best_ask, \
 r.quote_age_us, r.deviation, r.confirmed, r.transaction_hash, r.price_before, r.correlation_id \
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::numeric[], $6::numeric[], $7::text[], \
 $8::text[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::text[], \
 $14::numeric[], $15::numeric[], $16::bigint[], $17::numeric[], $18::boolean[], $19::text[], \
 $20::numeric[], $21::text[]) \
as r (id, condition_id, token_id, side, price, size, size_source, origin, executed_at, received_at, \
 judged_at, verdict, reasons, best_bid, best_ask, quote_age_us, deviation, confirmed, transaction_hash, \
 price_before, correlation_id) \
on conflict do nothing";

/// Eleven arrays, in the order of the columns.
pub(crate) const PRICES: &str = "\
insert into polyfeed.prices (id, condition_id, token_id, side, price, size, best_bid, best_ask, hash, \
 changed_at, received_at) \
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::numeric[], $6::numeric[], \
 $7::numeric[], $8::numeric[], $9::text[], $10::timestamptz[], $11::timestamptz[]) \
on conflict do nothing";

/// Eleven arrays, in the order of the columns; the levels are JSON text.
pub(crate) const BOOKS: &str = "\
insert into polyfeed.books (id, condition_id, token_id, bids, asks, hash, hash_ok, tick_size, \
 last_trade_price, changed_at, received_at) \
select r.id, r.condition_id, r.token_id, r.bids::jsonb, r.asks::jsonb, r.hash, r.hash_ok, r.tick_size, \
 r.last_trade_price, r.changed_at, r.received_at \
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[], \
 $8::numeric[], $9::numeric[], $10::timestamptz[], $11::timestamptz[]) \
as r (id, condition_id, token_id, bids, asks, hash, hash_ok, tick_size, last_trade_price, changed_at, \
 received_at) \
on conflict do nothing";

/// Nineteen arrays, each market at most once. The newer telling wins, but what is known of an end is not undone.
/// Answers: rows new, rows new or changed.
pub(crate) const MARKETS: &str = "\
with told as ( \
insert into polyfeed.markets (condition_id, slug, question, end_at, active, closed, neg_risk, tick_size, \
 order_size_min, volume_24h, tokens, updated_at, event_slug, series_slug, tags, resolved_at, winning_token_id, \
 winning_outcome, resolution_source) \
select r.condition_id, r.slug, r.question, r.end_at, r.active, r.closed, r.neg_risk, r.tick_size, \
 r.order_size_min, r.volume_24h, r.tokens, r.updated_at, r.event_slug, r.series_slug, \
 array(select jsonb_array_elements_text(r.tags)), r.resolved_at, r.winning_token_id, r.winning_outcome, \
 r.resolution_source \
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::boolean[], $6::boolean[], \
 $7::boolean[], $8::numeric[], $9::numeric[], $10::numeric[], $11::jsonb[], $12::timestamptz[], $13::text[], \
 $14::text[], $15::jsonb[], $16::timestamptz[], $17::text[], $18::text[], $19::text[]) \
as r (condition_id, slug, question, end_at, active, closed, neg_risk, tick_size, order_size_min, volume_24h, \
 tokens, updated_at, event_slug, series_slug, tags, resolved_at, winning_token_id, winning_outcome, \
 resolution_source) \
on conflict (condition_id) do update set slug = excluded.slug, question = excluded.question, \
 end_at = excluded.end_at, active = excluded.active, closed = excluded.closed, neg_risk = excluded.neg_risk, \
 tick_size = excluded.tick_size, order_size_min = excluded.order_size_min, volume_24h = excluded.volume_24h, \
 tokens = case when excluded.tokens = '[]'::jsonb then markets.tokens else excluded.tokens end, updated_at = excluded.updated_at, \
 event_slug = coalesce(excluded.event_slug, markets.event_slug), \
 series_slug = coalesce(excluded.series_slug, markets.series_slug), \
 tags = case when excluded.tags = '{}' then markets.tags else excluded.tags end, \
 resolved_at = case when excluded.resolution_source is null then markets.resolved_at else excluded.resolved_at end, \
 winning_token_id = case when excluded.resolution_source is null then markets.winning_token_id else excluded.winning_token_id end, \
 winning_outcome = case when excluded.resolution_source is null then markets.winning_outcome else excluded.winning_outcome end, \
 resolution_source = case when excluded.resolution_source is null then markets.resolution_source else excluded.resolution_source end \
 where excluded.updated_at > markets.updated_at \
returning (xmax = 0) as fresh) \
select count(*) filter (where fresh), count(*) from told";

/// Nine arrays, each gap at most once. A state never goes back. Answers: rows new, rows new or changed.
pub(crate) const GAPS: &str = "\
with told as ( \
insert into polyfeed.gaps (id, condition_id, shard, cause, opened_at, healed_at, trades_recovered, \
 detected_at, state) \
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], \
 $7::bigint[], $8::timestamptz[], $9::text[]) \
on conflict (id) do update set healed_at = greatest(gaps.healed_at, excluded.healed_at), \
 trades_recovered = greatest(gaps.trades_recovered, excluded.trades_recovered), \
 detected_at = least(gaps.detected_at, excluded.detected_at), \
 state = case when polyfeed.gap_step(excluded.state) > polyfeed.gap_step(gaps.state) then excluded.state \
 else gaps.state end \
 where excluded.trades_recovered > gaps.trades_recovered \
 or polyfeed.gap_step(excluded.state) > polyfeed.gap_step(gaps.state) \
 or (excluded.healed_at is not null and excluded.healed_at > coalesce(gaps.healed_at, '-infinity')) \
returning (xmax = 0) as fresh) \
select count(*) filter (where fresh), count(*) from told";

/// Six arrays, in the order of the columns.
pub(crate) const DEAD_LETTERS: &str = "\
insert into polyfeed.dead_letters (id, service, subject, error, payload, at) \
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[]) \
on conflict do nothing";

/// The writer, and two arrays: names of tables and rows to add.
pub(crate) const TOTALS: &str = "\
insert into polyfeed.totals (writer, name, rows) \
select $1::text, r.name, r.rows from unnest($2::text[], $3::bigint[]) as r (name, rows) \
on conflict (writer, name) do update set rows = totals.rows + excluded.rows";
