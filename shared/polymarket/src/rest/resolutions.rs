//! How markets paid, in our words.
//!
//! Knows: payouts by position. Never: which tokens a market has.

use contract::ids::ConditionId;
use contract::time::Timestamp;
use rust_decimal::Decimal;
use tracing::debug;

use super::error::RestError;
use super::markets::{moment, wire_of};
use super::wire;

/// How a market paid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestResolution {
    /// The market.
    pub condition_id: ConditionId,
    /// Which of its outcomes, in the order of its tokens, pays alone; none where several do.
    pub winner: Option<usize>,
    /// When it was resolved, where stated.
    pub resolved_at: Option<Timestamp>,
}

/// All rows that can be read and say what was paid.
pub(super) fn all(route: &'static str, body: &str) -> Result<Vec<RestResolution>, RestError> {
    let mut found = Vec::new();
    for raw in wire_of::<wire::Resolutions<'_>>(route, body)?.data {
        match serde_json::from_str(raw.get()).map_err(|error| error.to_string()).and_then(|row| one(&row)) {
            Ok(resolution) => found.push(resolution),
            Err(reason) => debug!(reason, "passed over a row of `{route}`"),
        }
    }
    Ok(found)
}

fn one(row: &wire::Resolution<'_>) -> Result<RestResolution, String> {
    let id = wire::text(row.condition_id).ok_or("a resolution without condition id")?;
    let condition_id = ConditionId::try_from(id.as_ref()).map_err(|odd| odd.to_string())?;
    let payouts = match wire::list(row.payouts) {
        Some(payouts) => payouts.iter().map(|text| text.parse().ok()).collect(),
        None => by_price(row.price),
    };
    let payouts = payouts.filter(|payouts: &Vec<Decimal>| payouts.iter().any(|paid| *paid > Decimal::ZERO));
    let payouts = payouts.ok_or("nothing is paid")?;
    let paying: Vec<usize> = (0..payouts.len()).filter(|&at| payouts[at] > Decimal::ZERO).collect();
    let resolved_at = wire::text(row.resolved_at).and_then(|text| {
        let seconds = text.parse().ok().and_then(|seconds| Timestamp::of_venue_seconds(seconds).ok());
        seconds.or_else(|| moment(&text))
    });
    Ok(RestResolution {
        condition_id,
        winner: paying.first().filter(|_| paying.len() == 1).copied(),
        resolved_at,
    })
}

/// What the oracle's price pays to the first outcome and to the second: a dollar has eighteen decimals there.
fn by_price(price: wire::Raw<'_>) -> Option<Vec<Decimal>> {
    let price: Decimal = wire::text(price)?.parse().ok()?;
    let whole = Decimal::from(1_000_000_000_000_000_000_i64);
    (Decimal::ZERO..=whole).contains(&price).then(|| vec![price, whole - price])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_payouts_the_oracles_price_tells() {
        let row = |price: &str| {
            let body = format!(
                r#"{{"data":[{{"condition_id":"0x1","price":{price},"resolved_at":"1790000000"}}]}}"#
            );
            all("/v2/resolutions", &body).unwrap().pop()
        };
        let winner = |price: &str| row(price).map(|actual| actual.winner);
        assert_eq!(winner(r#""1000000000000000000""#), Some(Some(0)));
        assert_eq!((winner(r#""0""#), winner(r#""500000000000000000""#)), (Some(Some(1)), Some(None)));
        for odd in [r#""-1""#, r#""2000000000000000000""#, "null", r#""x""#] {
            assert_eq!(winner(odd), None, "{odd}");
        }
        assert_eq!(row(r#""0""#).unwrap().resolved_at, Some(Timestamp::from_millis(1_790_000_000_000)));
    }

    #[test]
    fn the_outcome_that_is_paid_alone_wins() {
        let body = r#"{"data":[
            {"condition_id":"0x1","payouts":["0","1"],"resolved_at":"2026-10-29T03:59:00Z"},
            {"conditionId":"0x2","payouts":[1,0],"timestamp":1790000000},
            {"condition_id":"0x3","payouts":["0.5","0.5"]},
            {"condition_id":"0x4","payouts":["0","0"]},{"condition_id":"0x5"},{"payouts":["1"]},7]}"#;
        let actual = all("/v2/resolutions", body).unwrap();
        let winners: Vec<_> = actual.iter().map(|one| (one.condition_id.as_str(), one.winner)).collect();
        assert_eq!(winners, [("0x1", Some(1)), ("0x2", Some(0)), ("0x3", None)]);
        assert_eq!(actual[0].resolved_at.unwrap().to_string(), "2026-10-29T03:59:00.000000Z");
        assert_eq!(actual[1].resolved_at, Some(Timestamp::from_millis(1_790_000_000_000)));
    }
}
