//! The markets a run begins with.
//!
//! Knows: how many of which kind, in which order. Never: a socket, a change.

use crate::market::{Listing, Market, Purpose};
use crate::scenario::catalogue::ASSETS;
use crate::scenario::{Injection, Scenario};
use crate::universe::Row;
use crate::window::Window;

/// Spreads the reserved markets over the ranks: the golden ratio in 65,536ths.
const GOLDEN: usize = 40_503;
const WHOLE: usize = 65_536;
/// Dead markets were seen to be open 39 days after their windows.
const DEAD_FOR_S: u64 = 39 * 86_400;
const FIVE_MINUTES_S: u32 = 300;

/// The markets of a scenario: the ordinary ones with those of its injections spread among them, then those that
/// are not announced yet, then short and dead ones. `rows` takes the place of the invented ordinary ones.
pub(crate) fn markets(scenario: &Scenario, rows: Option<Vec<Row>>, now_ms: u64) -> Vec<Market> {
    let mut markets = match rows {
        Some(rows) => list(rows, scenario, now_ms),
        None => invent(scenario, now_ms),
    };
    shorten(&mut markets, scenario, now_ms);
    markets
}

/// Which injection the market of each rank belongs to; none to an ordinary one. So many of the first are spread
/// over the upper four fifths, kinds taking turns: who follows most of the list meets all of them.
fn ranks(scenario: &Scenario, ordinary: usize) -> Vec<Option<usize>> {
    let pools: Vec<usize> = scenario.injections.iter().map(Injection::pool_size).collect();
    let rounds = 0..pools.iter().copied().max().unwrap_or(0);
    let in_turns = rounds.flat_map(|round| {
        pools.iter().enumerate().filter(move |(_, size)| round < **size).map(|(injection, _)| injection)
    });
    let count: usize = pools.iter().sum();
    let span = count.max((count + ordinary) * 4 / 5);
    let mut ranks = vec![None; count + ordinary];
    for (at, injection) in in_turns.enumerate() {
        ranks[(2 * at + 1) * span / (2 * count)] = Some(injection);
    }
    ranks
}

/// The market of an injection.
fn pooled(injection: usize, number: usize, known: usize, scenario: &Scenario, now_ms: u64) -> Market {
    let mut market = Market::invented(number, known, scenario.seed, Purpose::Injection(injection), now_ms);
    market.rest_book = scenario.injections[injection].trade.rest_book;
    market
}

/// The rows in their order; the last ones are not announced yet. One at least is.
fn list(rows: Vec<Row>, scenario: &Scenario, now_ms: u64) -> Vec<Market> {
    let announced = rows.len().saturating_sub(scenario.reserved).max(1);
    let ranks = ranks(scenario, announced);
    let mut markets = Vec::with_capacity(rows.len() + ranks.len() - announced);
    let mut rows = rows.into_iter().peekable();
    for rank in &ranks {
        let number = markets.len();
        if let Some(injection) = *rank {
            let mut market = pooled(injection, number, ranks.len(), scenario, now_ms);
            // Right before the row of this rank.
            market.volume_cents = rows.peek().and_then(|row| row.volume_cents);
            markets.push(market);
        } else if let Some(row) = rows.next() {
            markets.push(Market::listed(number, row, scenario.seed, now_ms));
        }
    }
    for row in rows {
        let mut market = Market::listed(markets.len(), row, scenario.seed, now_ms);
        market.listing = Listing::Reserved;
        markets.push(market);
    }
    markets
}

fn invent(scenario: &Scenario, now_ms: u64) -> Vec<Market> {
    let ranks = ranks(scenario, scenario.markets);
    let known = ranks.len();
    let ordinary = |number| Market::invented(number, known, scenario.seed, Purpose::Ordinary, now_ms);
    let of_rank = |(number, injection): (usize, &Option<usize>)| match *injection {
        Some(injection) => pooled(injection, number, known, scenario, now_ms),
        None => ordinary(number),
    };
    let mut markets: Vec<Market> = ranks.iter().enumerate().map(of_rank).collect();
    for at in 1..=scenario.reserved {
        let mut market = ordinary(markets.len());
        market.listing = Listing::Reserved;
        // Once it is open it stands right behind a market of any rank.
        let rival = at * GOLDEN % WHOLE * known / WHOLE;
        market.volume_cents = markets[rival].volume_cents.map(|cents| cents.saturating_sub(1));
        markets.push(market);
    }
    markets
}

/// The short markets: by asset those of this moment and of the next ones; then the dead ones.
fn shorten(markets: &mut Vec<Market>, scenario: &Scenario, now_ms: u64) {
    let mut add = |listing, window| {
        let mut market = Market::short(markets.len(), window, scenario.seed, now_ms);
        market.listing = listing;
        markets.push(market);
    };
    if let Some(updown) = scenario.updown {
        let length = u64::from(updown.window_s);
        let first_s = now_ms / 1000 / length * length;
        for asset in &ASSETS[..updown.assets] {
            for (at, starts_at_s) in (first_s..).step_by(updown.window_s as usize).enumerate() {
                if at == updown.listed + updown.later {
                    break;
                }
                let listing = if at < updown.listed { Listing::Open } else { Listing::Reserved };
                add(listing, Window { asset, starts_at_s, length_s: updown.window_s });
            }
        }
    }
    let long_ago_s =
        (now_ms / 1000).saturating_sub(DEAD_FOR_S) / u64::from(FIVE_MINUTES_S) * u64::from(FIVE_MINUTES_S);
    for (asset, number) in ASSETS.iter().cycle().zip(0..scenario.dead_markets) {
        let starts_at_s = long_ago_s + (number / ASSETS.len()) as u64 * u64::from(FIVE_MINUTES_S);
        add(Listing::Dead, Window { asset, starts_at_s, length_s: FIVE_MINUTES_S });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_markets_have_volumes_from_the_first_to_the_last_rank() {
        let mut scenario = Scenario::named("calm").expect("it comes with the program");
        (scenario.markets, scenario.reserved) = (100, 50);
        let markets = markets(&scenario, None, 0);
        let volume = |market: &Market| market.volume_cents.expect("the first 200 have a volume");
        let upper = markets[100..].iter().filter(|market| volume(market) > volume(&markets[50])).count();
        assert_eq!(markets.len(), 150);
        assert!(markets[100..].iter().all(|market| market.listing == Listing::Reserved));
        assert!((20..=30).contains(&upper), "{upper}");
    }

    #[test]
    fn markets_of_injections_are_spread_over_the_list_and_their_kinds_take_turns() {
        let scenario = Scenario::named("demo").expect("it comes with the program");
        let markets = markets(&scenario, None, 0);
        let kinds: Vec<(usize, usize)> = markets
            .iter()
            .filter_map(|market| match market.purpose {
                Purpose::Injection(kind) => Some((market.number, kind)),
                Purpose::Ordinary => None,
            })
            .collect();
        let pools: usize = scenario.injections.iter().map(Injection::pool_size).sum();
        let known = pools + scenario.markets;
        assert_eq!(kinds.len(), pools);
        assert!(kinds[0].0 > 0 && kinds[pools - 1].0 > known * 3 / 4 && kinds[pools - 1].0 < known * 4 / 5);
        let in_fifth =
            |from: usize| kinds.iter().filter(|(at, _)| (from..from + known / 5).contains(at)).count();
        assert!((0..4).all(|fifth| in_fifth(fifth * known / 5).abs_diff(pools / 4) <= 1));
        // The largest pool has the last two.
        assert!(kinds[..pools - 1].windows(2).all(|pair| pair[0].1 != pair[1].1), "{kinds:?}");
        assert!(markets[..known].is_sorted_by_key(|market| std::cmp::Reverse(market.volume_cents)));
    }
}
