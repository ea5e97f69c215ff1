//! Deduplicates fills seen on both the WebSocket and the Data API.
//!
//! Knows: fills of sockets and of REST. Never: a clock, a request.
//!
//! A fill is named by its transaction, token and side, by price and size, and by how many alike there are
//! (contract, section 3). REST may tell the price as an average off the grid, and a taker's order that met
//! several makers as one row.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::ids::{TickId, TokenId, TransactionHash};
use contract::money::Size;
use contract::tick::{Origin, Side, Trade};
use contract::time::Timestamp;
use polymarket::rest::RestTrade;
use rust_decimal::Decimal;

/// Fills remembered at the most, of about 200 bytes each. Beyond, the oldest go.
const REMEMBERED: usize = 300_000;
/// How far a REST price may lie from the match's own: half of the finest common grid.
const PRICE_TOLERANCE: Decimal = Decimal::from_parts(5, 0, 0, false, 4);
/// How far the sum of a taker's fills may lie from its row, in shares.
const SUM_TOLERANCE: Decimal = Decimal::from_parts(1, 0, 0, false, 6);
/// How far a block may be stamped before the match that it settles: its time is cut to whole seconds.
const EARLY_BLOCK: Duration = Duration::from_secs(2);
/// How long a fill of the future is remembered beyond its receipt; the venue's clock is hardly ever so wrong.
const AHEAD_MAX: Duration = Duration::from_hours(1);
/// Fills of the future whose receipt is noted; one in ten thousand is one.
const AHEAD_NOTED: usize = 10_000;

/// The memory; a clone is the same one.
#[derive(Clone, Debug)]
pub(crate) struct Fills {
    memory: Arc<Mutex<FillIndex>>,
    settlement: Duration,
}

#[derive(Debug, Default)]
struct FillIndex {
    fills: HashMap<Key, Vec<Fill>>,
    /// In the order in which they were noted; with the receipt, or the execution where that is later.
    order: VecDeque<(Timestamp, Key)>,
    /// Receipt and execution of fills of the future.
    ahead: VecDeque<(Timestamp, Timestamp)>,
    /// What was noted before this moment is not remembered.
    known_since: Option<Timestamp>,
    recognised: u64,
}

/// What all fills of a taker in one transaction share.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    transaction: Option<TransactionHash>,
    token: TokenId,
}

#[derive(Clone, Debug)]
struct Fill {
    /// None where the socket did not tell it.
    side: Option<Side>,
    price: Decimal,
    size: Option<Size>,
    executed_at: Timestamp,
    /// Of a trade from REST: its content, to count those alike.
    content: Option<TickId>,
    on_socket: bool,
}

/// Whether a socket's trade is to be published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Seen {
    /// Seen for the first time; it is recorded now.
    New,
    /// REST has reported this very fill before.
    Duplicate,
}

impl Fills {
    /// Nothing was seen yet. `settlement`: longest time from a match to its block.
    pub(crate) fn new(settlement: Duration) -> Self {
        Self { memory: Arc::default(), settlement }
    }

    /// A trade came over a socket.
    pub(crate) fn record_socket_trade(&self, trade: &Trade) -> Seen {
        let mut memory = self.memory();
        let known = memory.fills.get_mut(&Key::of_trade(trade)).into_iter().flatten();
        let alike =
            known.filter(|fill| !fill.on_socket && fill.is(trade.side, trade.price.decimal(), trade.size));
        let twin = alike.min_by_key(|fill| (fill.price - trade.price.decimal()).abs());
        if let Some(fill) = twin {
            fill.on_socket = true;
            memory.recognised += 1;
            return Seen::Duplicate;
        }
        memory.note(trade);
        Seen::New
    }

    /// The trade noted last for its fill was not taken by the queue: it was never published.
    pub(crate) fn withdraw(&self, trade: &Trade) {
        let mut memory = self.memory();
        if let Some(fills) = memory.fills.get_mut(&Key::of_trade(trade)) {
            let own = |fill: &Fill| {
                fill.side == trade.side
                    && fill.is(trade.side, trade.price.decimal(), trade.size)
                    && fill.executed_at == trade.executed_at
            };
            if let Some(at) = fills.iter().rposition(own) {
                fills.remove(at);
            }
        }
        let key = Key::of_trade(trade);
        if let Some(at) = memory.order.iter().rposition(|(_, noted)| *noted == key) {
            memory.order.remove(at);
        }
    }

    /// A trade that the bus has already, from an earlier life of this feed or from another one.
    pub(crate) fn seed(&self, trade: &Trade) {
        self.memory().note(trade);
    }

    /// Those of the rows that were not published yet, as trades received at `received_at`, in their order.
    ///
    /// `rows`: all rows of the markets asked for back to some moment; one missing would be taken for known.
    pub(crate) fn missing_fills(&self, rows: &[RestTrade], received_at: Timestamp) -> Vec<Trade> {
        let mut groups: Vec<(Key, Vec<&RestTrade>)> = Vec::new();
        let mut places: HashMap<Key, usize> = HashMap::new();
        for row in rows {
            let key = Key::of_row(row);
            let place = *places.entry(key.clone()).or_insert(groups.len());
            if place == groups.len() {
                groups.push((key, Vec::new()));
            }
            groups[place].1.push(row);
        }
        let memory = self.memory();
        let mut nameless: HashMap<&TokenId, Vec<bool>> = HashMap::new();
        let mut untold = Vec::new();
        for (key, rows) in &groups {
            let known = memory.fills.get(key).map_or(&[][..], Vec::as_slice);
            let left = unmatched(rows, known);
            let pool_key = Key { transaction: None, ..key.clone() };
            let pool = memory.fills.get(&pool_key).filter(|_| key.transaction.is_some());
            let used = nameless.entry(&key.token).or_default();
            let mut alike: HashMap<TickId, u32> = HashMap::new();
            for row in left {
                if pool.is_some_and(|pool| self.takes_nameless(row, pool, used)) {
                    continue;
                }
                let mut trade = trade_of(row, received_at);
                let content = trade.content_id();
                let published = known.iter().filter(|fill| fill.content == Some(content)).count();
                let nth =
                    alike.entry(content).or_insert_with(|| u32::try_from(published).unwrap_or(u32::MAX));
                trade.id = content.nth(*nth);
                *nth += 1;
                untold.push(trade);
            }
        }
        untold
    }

    /// Records a trade from REST that the queue took.
    pub(crate) fn record_backfilled(&self, trade: &Trade) {
        self.memory().note(trade);
    }

    /// Since when every published fill is remembered; none where nothing was forgotten yet.
    pub(crate) fn known_since(&self) -> Option<Timestamp> {
        self.memory().known_since
    }

    /// When the first fill was received that was executed at `executed_from` or later, if that is long before: such a
    /// row may be one of a gap, and whoever reads the fills again must begin there.
    pub(crate) fn received_since(&self, executed_from: Timestamp) -> Option<Timestamp> {
        let memory = self.memory();
        let needed = memory.ahead.iter().filter(|(_, executed_at)| *executed_at >= executed_from);
        needed.map(|(received_at, _)| *received_at).min()
    }

    /// Forgets what was noted before this moment, and fills of the future once it has come.
    pub(crate) fn forget(&self, before: Timestamp) {
        let mut memory = self.memory();
        memory.known_since = memory.known_since.max(Some(before));
        while memory.order.front().is_some_and(|(noted_at, _)| *noted_at < before)
            || memory.order.len() > REMEMBERED
        {
            let Some((noted_at, key)) = memory.order.pop_front() else { break };
            memory.known_since = memory.known_since.max(Some(noted_at));
            if let Some(fills) = memory.fills.get_mut(&key) {
                // The oldest of a key comes first.
                fills.remove(0);
                if fills.is_empty() {
                    memory.fills.remove(&key);
                }
            }
        }
    }

    /// Trades that came over a socket after REST had reported them.
    pub(crate) fn recognised(&self) -> u64 {
        self.memory().recognised
    }

    /// A fill whose socket named no transaction is known by token, side, price, size and a time that fits.
    fn takes_nameless(&self, row: &RestTrade, pool: &[Fill], used: &mut Vec<bool>) -> bool {
        used.resize(pool.len(), false);
        let earliest = row.executed_at.minus(self.settlement);
        let latest = row.executed_at.plus(EARLY_BLOCK);
        let fits = |fill: &Fill| {
            fill.is(row.side, row.price.decimal(), Some(row.size))
                && (earliest..=latest).contains(&fill.executed_at)
        };
        let found = pool.iter().zip(used.iter()).position(|(fill, used)| !used && fits(fill));
        if let Some(at) = found {
            used[at] = true;
        }
        found.is_some()
    }

    fn memory(&self) -> MutexGuard<'_, FillIndex> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows of one taker in one transaction that are none of the fills known of it.
fn unmatched<'a>(rows: &[&'a RestTrade], known: &[Fill]) -> Vec<&'a RestTrade> {
    let mut used = vec![false; known.len()];
    let mut left = Vec::new();
    for row in rows {
        let own = known.iter().zip(&used).position(|(fill, used)| !used && fill.is_exactly(row));
        match own {
            Some(at) => used[at] = true,
            None => left.push(*row),
        }
    }
    // On a fine grid two fills lie within the tolerance: an average is looked for among those that no row names exactly.
    left.retain(|row| {
        let is = |fill: &Fill| fill.is(row.side, row.price.decimal(), Some(row.size));
        let found = known.iter().zip(&used).position(|(fill, used)| !used && is(fill));
        found.inspect(|at| used[*at] = true).is_none()
    });
    // One row for an order that met several makers: the sum of their sizes, at the average of their prices.
    for side in [Side::Buy, Side::Sell] {
        let rest: Vec<usize> =
            (0..known.len()).filter(|&at| !used[at] && known[at].is_of(Some(side))).collect();
        let fills = || rest.iter().map(|&at| &known[at]);
        let size: Option<Decimal> = fills().map(|fill| fill.size.map(Size::decimal)).sum();
        let worth: Option<Decimal> = fills().map(|fill| Some(fill.price * fill.size?.decimal())).sum();
        let Some((size, worth)) = size.zip(worth).filter(|_| rest.len() >= 2) else { continue };
        let is_sum = |row: &RestTrade| {
            let average = worth.checked_div(size);
            row.side.is_none_or(|stated| stated == side)
                && (size - row.size.decimal()).abs() <= SUM_TOLERANCE
                && average.is_some_and(|average| (average - row.price.decimal()).abs() <= PRICE_TOLERANCE)
        };
        if let Some(at) = left.iter().position(|row| is_sum(row)) {
            left.remove(at);
            for at in rest {
                used[at] = true;
            }
        }
    }
    left
}

fn trade_of(row: &RestTrade, received_at: Timestamp) -> Trade {
    let mut trade = Trade {
        id: TickId::of_bytes([0; 16]),
        condition_id: row.condition_id.clone(),
        token_id: row.token_id.clone(),
        side: row.side,
        price: row.price,
        size: Some(row.size),
        origin: Origin::Rest,
        executed_at: row.executed_at,
        received_at,
        transaction_hash: row.transaction_hash.clone(),
        price_before: None,
        prevailing: None,
    };
    trade.id = trade.content_id();
    trade
}

// === impl FillIndex ===

impl FillIndex {
    fn note(&mut self, trade: &Trade) {
        let key = Key::of_trade(trade);
        let from_rest = trade.origin == Origin::Rest;
        let fill = Fill {
            side: trade.side,
            price: trade.price.decimal(),
            size: trade.size,
            executed_at: trade.executed_at,
            content: from_rest.then(|| trade.content_id()),
            on_socket: !from_rest,
        };
        let (received_at, executed_at) = (trade.received_at, trade.executed_at);
        let until = executed_at.min(received_at.plus(AHEAD_MAX)).max(received_at);
        self.order.push_back((until, key.clone()));
        if executed_at > received_at.plus(EARLY_BLOCK) {
            self.ahead.push_back((received_at, executed_at));
            if self.ahead.len() > AHEAD_NOTED {
                self.ahead.pop_front();
            }
        }
        self.fills.entry(key).or_default().push(fill);
    }
}

// === impl Key ===

impl Key {
    fn of_trade(trade: &Trade) -> Self {
        Self { transaction: trade.transaction_hash.clone(), token: trade.token_id.clone() }
    }

    fn of_row(row: &RestTrade) -> Self {
        Self { transaction: row.transaction_hash.clone(), token: row.token_id.clone() }
    }
}

// === impl Fill ===

impl Fill {
    /// Whether this is a fill of that very price and size.
    fn is_exactly(&self, row: &RestTrade) -> bool {
        self.size == Some(row.size) && self.price == row.price.decimal() && self.side == row.side
    }

    /// Whether this may be a fill of that side; where either is unknown, it may be.
    fn is_of(&self, side: Option<Side>) -> bool {
        self.side.zip(side).is_none_or(|(own, other)| own == other)
    }

    /// Whether this is a fill of that side, price and size; one whose size the socket did not tell may be of any.
    fn is(&self, side: Option<Side>, price: Decimal, size: Option<Size>) -> bool {
        let sized = match (self.size, size) {
            (Some(own), Some(other)) => own == other,
            (None, _) | (_, None) => true,
        };
        sized && self.is_of(side) && (self.price - price).abs() <= PRICE_TOLERANCE
    }
}

#[cfg(test)]
mod tests;
