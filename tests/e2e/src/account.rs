//! The database held against the ledger.
//!
//! Knows: what each thing sent must have become. Never: an excuse but a recorded gap.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;
use tokio_postgres::Client;
use venue_sim::ledger::{Entry, Kind};

/// A tick as both sides can name it: a line of text.
pub type Line = String;

/// How often each tick is there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sheet(BTreeMap<Line, u64>);

/// The spans in which each market may lack ticks, in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Spans(HashMap<String, Vec<(i64, i64)>>);

/// What was found when the two were compared.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Sent and neither stored nor in a gap.
    pub missing: Vec<Line>,
    /// Stored and never sent, or stored too often.
    pub alien: Vec<Line>,
    /// Sent, not stored, inside a gap.
    pub in_gaps: u64,
    /// Stored as they were sent.
    pub matched: u64,
}

impl Account {
    /// Nothing is missing, nothing is alien.
    ///
    /// # Errors
    /// With the first few of each.
    pub fn balanced(&self) -> Result<(), String> {
        if self.missing.is_empty() && self.alien.is_empty() {
            return Ok(());
        }
        let few = |lines: &[Line]| lines.iter().take(5).cloned().collect::<Vec<_>>().join("\n  ");
        Err(format!(
            "{} missing:\n  {}\n{} alien:\n  {}\n({} matched, {} in gaps)",
            self.missing.len(),
            few(&self.missing),
            self.alien.len(),
            few(&self.alien),
            self.matched,
            self.in_gaps
        ))
    }
}

/// Compares what the ledger says was delivered with what the views hold.
///
/// # Panics
/// When the database cannot be read.
pub async fn reconcile(ledger: &[Entry], database: &Client) -> Account {
    let (stored, spans) = (stored(database).await, spans(database).await);
    let (mut must, mut may) = (BTreeMap::<Line, (u64, &Entry)>::new(), BTreeMap::<Line, u64>::new());
    for entry in ledger {
        let Some(line) = expected(entry) else { continue };
        if entry.uncertain {
            *may.entry(line).or_default() += 1;
        } else if entry.delivered {
            let slot = must.entry(line).or_insert((0, entry));
            // The same book told again is one tick.
            slot.0 = if entry.kind == Kind::Book { 1 } else { slot.0 + 1 };
        }
    }
    // A trade inside a garbage frame may be read or set aside: both are right.
    let odd: Vec<String> = ledger
        .iter()
        .filter(|entry| entry.kind == Kind::Garbage)
        .filter_map(|entry| entry.transaction_hash.as_ref().map(|hash| format!(" tx {hash}:")))
        .collect();
    let mut account = Account::default();
    for (line, (count, entry)) in &must {
        let found = stored.0.get(line).copied().unwrap_or(0);
        account.matched += found.min(*count);
        let lacking = count.saturating_sub(found);
        if lacking > 0 && spans.cover(entry) {
            account.in_gaps += lacking;
        } else {
            account.missing.extend((0..lacking).map(|_| line.clone()));
        }
    }
    for (line, found) in stored.0.iter().filter(|(line, _)| !odd.iter().any(|hash| line.contains(hash))) {
        let known = must.get(line).map_or(0, |(count, _)| *count) + may.get(line).copied().unwrap_or(0);
        account.alien.extend((known..*found).map(|_| line.clone()));
    }
    account
}

impl Spans {
    fn cover(&self, entry: &Entry) -> bool {
        let sent = i64::try_from(entry.sent_at_ms).expect("a time of this century");
        // The venue queues a frame some milliseconds before it is read.
        let spans = self.0.get(&entry.condition_id);
        spans.is_some_and(|spans| spans.iter().any(|&(from, to)| (from - 50..=to + 50).contains(&sent)))
    }
}

fn expected(entry: &Entry) -> Option<Line> {
    let side = entry.side.map(|side| format!("{side:?}").to_uppercase()).unwrap_or_default();
    let (token, at) = (&entry.token_id, entry.timestamp_ms);
    let price = entry.price.as_deref().map(plain).unwrap_or_default();
    match entry.kind {
        Kind::Trade => {
            let expected = entry.expected.as_ref()?;
            let mut reasons = expected.reasons.clone();
            reasons.sort();
            let verdict = format!("{:?}", expected.verdict).to_lowercase();
            let source =
                expected.size_source.map(|source| format!("{source:?}").to_lowercase()).unwrap_or_default();
            let size = expected.size.as_deref().map(plain).unwrap_or_default();
            let confirmed = expected.confirmed.map(|c| c.to_string()).unwrap_or_default();
            let hash = entry.transaction_hash.as_deref().unwrap_or_default();
            Some(format!(
                "trade {token} {side} {price} at {at} tx {hash}: {verdict} {reasons:?} size {size} {source} confirmed {confirmed}"
            ))
        }
        Kind::Price => {
            Some(format!("price {token} {side} {price} = {} at {at}", plain(entry.size.as_deref()?)))
        }
        Kind::Book => Some(format!("book {token} at {at} {}", entry.hash.as_deref().unwrap_or_default())),
        Kind::Quote | Kind::TickSize | Kind::Market | Kind::Garbage => None,
    }
}

async fn stored(database: &Client) -> Sheet {
    const TRADES: &str = "select format('trade %s %s %s at %s tx %s: %s %s size %s %s confirmed %s', token_id, side, \
        trim_scale(price), (extract(epoch from executed_at) * 1000)::bigint, coalesce(transaction_hash, ''), verdict, \
        (select '[' || coalesce(string_agg('\"' || r || '\"', ', ' order by r), '') || ']' from unnest(reasons) r), \
        coalesce(trim_scale(size)::text, ''), coalesce(size_source, ''), coalesce(confirmed::text, '')) from api.trades";
    const PRICES: &str = "select format('price %s %s %s = %s at %s', token_id, side, trim_scale(price), \
        trim_scale(size), (extract(epoch from changed_at) * 1000)::bigint) from api.prices";
    const BOOKS: &str = "select format('book %s at %s %s', token_id, \
        (extract(epoch from changed_at) * 1000)::bigint, coalesce(hash, '')) from api.books";
    let mut sheet = Sheet::default();
    for query in [TRADES, PRICES, BOOKS] {
        for row in database.query(query, &[]).await.expect("the views can be read") {
            *sheet.0.entry(row.get(0)).or_default() += 1;
        }
    }
    sheet
}

async fn spans(database: &Client) -> Spans {
    const GAPS: &str = "select condition_id, (extract(epoch from opened_at) * 1000)::bigint, \
        coalesce((extract(epoch from healed_at) * 1000)::bigint, 9223372036854775000 / 2) from api.gaps";
    let mut spans = Spans::default();
    for row in database.query(GAPS, &[]).await.expect("the gaps can be read") {
        spans.0.entry(row.get(0)).or_default().push((row.get(1), row.get(2)));
    }
    spans
}

/// A number without trailing zeros, as `trim_scale` writes it.
fn plain(text: &str) -> String {
    text.parse::<Decimal>().map_or_else(|_| text.to_owned(), |number| number.normalize().to_string())
}
