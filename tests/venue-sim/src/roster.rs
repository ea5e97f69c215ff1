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

/// The markets of a scenario: those of its injections first (they rank highest by volume), then the ordinary
/// ones, then those that are not announced yet, then short and dead ones. `rows` takes the place of the invented ordinary ones.
pub(crate) fn markets(scenario: &Scenario, rows: Option<Vec<Row>>, now_ms: u64) -> Vec<Market> {
    let pools: Vec<usize> = scenario.injections.iter().map(Injection::pool_size).collect();
    let known = pools.iter().sum::<usize>() + scenario.markets;
    let mut markets: Vec<Market> = Vec::with_capacity(known + scenario.reserved);
    // So that the pools rank first whatever the rows say.
    let above = rows.as_ref().and_then(|rows| rows.iter().filter_map(|row| row.volume_cents).max());
    for (injection, size) in pools.into_iter().enumerate() {
        for _ in 0..size {
            let purpose = Purpose::Injection(injection);
            let mut market = Market::invented(markets.len(), known, scenario.seed, purpose, now_ms);
            market.rest_book = scenario.injections[injection].trade.rest_book;
            market.volume_cents = market.volume_cents.map(|cents| cents + above.unwrap_or(0));
            markets.push(market);
        }
    }
    match rows {
        Some(rows) => list(&mut markets, rows, scenario, now_ms),
        None => invent(&mut markets, known, scenario, now_ms),
    }
    shorten(&mut markets, scenario, now_ms);
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

/// The rows in their order; the last ones are not announced yet. One at least is.
fn list(markets: &mut Vec<Market>, rows: Vec<Row>, scenario: &Scenario, now_ms: u64) {
    let announced = rows.len().saturating_sub(scenario.reserved).max(1);
    for (at, row) in rows.into_iter().enumerate() {
        let mut market = Market::listed(markets.len(), row, scenario.seed, now_ms);
        if at >= announced {
            market.listing = Listing::Reserved;
        }
        markets.push(market);
    }
}

fn invent(markets: &mut Vec<Market>, known: usize, scenario: &Scenario, now_ms: u64) {
    let first = markets.len();
    for _ in 0..scenario.markets {
        markets.push(Market::invented(markets.len(), known, scenario.seed, Purpose::Ordinary, now_ms));
    }
    for at in 1..=scenario.reserved {
        let mut market = Market::invented(markets.len(), known, scenario.seed, Purpose::Ordinary, now_ms);
        market.listing = Listing::Reserved;
        // Once it is open it stands right behind a market of any rank.
        let rival = first + at * GOLDEN % WHOLE * scenario.markets / WHOLE;
        market.volume_cents = markets[rival].volume_cents.map(|cents| cents.saturating_sub(1));
        markets.push(market);
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
}
