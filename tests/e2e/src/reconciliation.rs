//! The database held against the ledger.
//!
//! Knows: what each thing sent must have become. Never: an excuse but a recorded gap.

use std::collections::{BTreeMap, HashMap, HashSet};

use rust_decimal::Decimal;
use tokio_postgres::Client;
use venue_sim::ledger::{Entry, Kind, Settled};

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
pub struct Reconciliation {
    /// Sent and neither stored nor in a gap.
    pub missing: Vec<Line>,
    /// Stored and never sent, or stored too often.
    pub alien: Vec<Line>,
    /// Sent, not stored, inside a gap.
    pub in_gaps: u64,
    /// Stored as they were sent.
    pub matched: u64,
}

impl Reconciliation {
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

/// Compares what the ledger says was sent with what the views hold.
///
/// `poison`: tokens that are set aside. Their fills are not read, and their markets must be in a gap.
///
/// # Panics
/// When the database cannot be read.
pub async fn reconcile(ledger: &[Entry], poison: &[String], database: &Client) -> Reconciliation {
    let (mut stored, mut recovered) = (sheet(&STORED, database).await, sheet(&[RECOVERED], database).await);
    let spans = spans(database).await;
    let mut account = Reconciliation::default();
    forgive_garbage(ledger, &mut stored, &mut recovered);
    let is_aside = |entry: &&Entry| {
        entry.kind == Kind::Trade
            && !entry.delivered
            && poison.contains(&entry.token_id)
            && spans.cover(entry)
    };
    let (aside, ledger): (Vec<&Entry>, Vec<&Entry>) = ledger.iter().partition(is_aside);
    account.in_gaps += aside.len() as u64;
    for entry in ledger.iter().filter(|entry| entry.kind == Kind::Trade && is_certain(entry)) {
        account.trade(entry, &mut stored, &mut recovered, &spans);
    }
    for entry in ledger.iter().filter(|entry| entry.kind == Kind::Trade && !is_certain(entry)) {
        account.trade(entry, &mut stored, &mut recovered, &spans);
    }
    let mut books = HashSet::new();
    let hashless = ledger.iter().filter(|entry| entry.kind == Kind::Book && entry.hash.is_none());
    let hashless: HashSet<(&String, u64)> =
        hashless.map(|entry| (&entry.token_id, entry.timestamp_ms)).collect();
    let (certain, uncertain): (Vec<&Entry>, Vec<&Entry>) =
        ledger.iter().filter(|entry| entry.kind != Kind::Trade).partition(|entry| is_certain(entry));
    for entry in certain.into_iter().chain(uncertain) {
        let Some(line) = expected(entry) else { continue };
        // The same book told again is one tick.
        if entry.kind == Kind::Book && !books.insert(line.clone()) {
            continue;
        }
        match (stored.take(&line), is_certain(entry)) {
            (true, _) => account.matched += 1,
            // Identity is content: a book whose hash cannot be read and the same one with its hash are one tick.
            (false, true) if hashless.contains(&(&entry.token_id, entry.timestamp_ms)) => {}
            (false, true) if spans.cover(entry) => account.in_gaps += 1,
            (false, true) => account.missing.push(line),
            // Another delivery of the same book may be the certain one.
            (false, false) => drop(books.remove(&line)),
        }
    }
    account.alien.extend(stored.left().chain(recovered.left()));
    account
}

impl Reconciliation {
    /// A trade is stored as its socket told it, or, where that lay in a gap, as REST told it.
    fn trade(&mut self, entry: &Entry, stored: &mut Sheet, recovered: &mut Sheet, spans: &Spans) {
        let Some(line) = expected(entry) else { return };
        let in_gap = !is_certain(entry) || spans.cover(entry);
        if (entry.delivered && stored.take(&line))
            || (in_gap && fill(entry).is_some_and(|fill| recovered.take(&fill)))
        {
            self.matched += 1;
        } else if in_gap && !is_recoverable(entry) {
            self.in_gaps += 1;
        } else {
            self.missing.push(line);
        }
    }
}

impl Sheet {
    /// Takes one away; false if there is none.
    fn take(&mut self, line: &Line) -> bool {
        let Some(count) = self.0.get_mut(line).filter(|count| **count > 0) else { return false };
        *count -= 1;
        true
    }

    /// What nobody took.
    fn left(self) -> impl Iterator<Item = Line> {
        self.0.into_iter().flat_map(|(line, count)| (0..count).map(move |_| line.clone()))
    }
}

/// It was read, whatever became of its socket.
fn is_certain(entry: &Entry) -> bool {
    entry.delivered && !entry.uncertain
}

/// A trade inside a garbage frame may be read or set aside: both are right.
fn forgive_garbage(ledger: &[Entry], stored: &mut Sheet, recovered: &mut Sheet) {
    let garbage = ledger.iter().filter(|entry| entry.kind == Kind::Garbage);
    let odd: Vec<String> = garbage
        .filter_map(|entry| entry.transaction_hash.as_ref().map(|hash| format!(" tx {hash}:")))
        .collect();
    for sheet in [stored, recovered] {
        sheet.0.retain(|line, _| !odd.iter().any(|hash| line.contains(hash)));
    }
}

/// The Data API knows it and does not hide it as dust.
fn is_recoverable(entry: &Entry) -> bool {
    let dust = Decimal::new(1, 2);
    let size = |row: &Settled| row.size.parse::<Decimal>().expect("a size is a number");
    entry.at_rest.as_ref().is_some_and(|row| size(row) >= dust)
}

/// A trade as both sides can name it once REST told it: its price may be an average a little off the grid.
fn fill(entry: &Entry) -> Option<Line> {
    let row = entry.at_rest.as_ref()?;
    let side = entry.side.map(|side| format!("{side:?}").to_uppercase())?;
    let price = entry.price.as_deref()?.parse::<Decimal>().ok()?.round_dp(4).normalize();
    let (token, size) = (&entry.token_id, plain(&row.size));
    Some(format!("fill {token} {side} {price} size {size} tx {}:", row.transaction_hash))
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
            // A mere `0x` is no hash.
            let hash = entry.transaction_hash.as_deref().filter(|hash| hash.len() > 2).unwrap_or_default();
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

/// Everything but recovered trades, as lines.
const STORED: [&str; 3] = [
    "select format('trade %s %s %s at %s tx %s: %s %s size %s %s confirmed %s', token_id, side, \
        trim_scale(price), (extract(epoch from executed_at) * 1000)::bigint, coalesce(transaction_hash, ''), verdict, \
        (select '[' || coalesce(string_agg('\"' || r || '\"', ', ' order by r), '') || ']' from unnest(reasons) r), \
        coalesce(trim_scale(size)::text, ''), coalesce(size_source, ''), coalesce(confirmed::text, '')) \
        from api.trades where origin = 'socket'",
    "select format('price %s %s %s = %s at %s', token_id, side, trim_scale(price), \
        trim_scale(size), (extract(epoch from changed_at) * 1000)::bigint) from api.prices",
    "select format('book %s at %s %s', token_id, \
        (extract(epoch from changed_at) * 1000)::bigint, coalesce(hash, '')) from api.books",
];
/// Trades that REST told after a gap.
const RECOVERED: &str = "select format('fill %s %s %s size %s tx %s:', token_id, side, trim_scale(round(price, 4)), \
    trim_scale(size), transaction_hash) from api.trades where origin = 'rest'";

async fn sheet(queries: &[&str], database: &Client) -> Sheet {
    let mut sheet = Sheet::default();
    for query in queries {
        for row in database.query(*query, &[]).await.expect("the views can be read") {
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
