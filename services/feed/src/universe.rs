//! Which markets are followed, as the venue's catalogue has them now.
//!
//! Knows: the choice, paging, our shard. Never: a socket.

use std::time::Duration;

use bus::Message;
use chassis::backoff::Backoff;
use contract::codec::encode;
use contract::ids::{ConditionId, TickId, TokenId};
use contract::market::Market;
use contract::subject;
use polymarket::rest::{Rest, RestError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::board::Board;
use crate::shard::Shard;

/// Markets of one page; the catalogue gives no more.
const PAGE: u32 = 100;
/// Pages of one sweep: the open catalogue had 36,000 markets in March 2026.
const PAGES_MAX: usize = 1_000;
/// Ids of one question.
const IDS_PER_CALL: usize = 20;
/// Pauses between attempts while the catalogue cannot be read.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// See [`RETRY_MIN`].
const RETRY_MAX: Duration = Duration::from_mins(1);

/// `FEED_UNIVERSE`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Choice {
    /// The markets with the highest volume of the last 24 hours.
    Top(usize),
    /// Every open market.
    All,
    /// These markets: condition ids or slugs.
    Markets(Vec<String>),
    /// The markets of these tokens.
    Tokens(Vec<TokenId>),
}

/// Asks the catalogue until it answers with at least one market of ours, or `stop`.
pub(crate) async fn choose(
    rest: &Rest,
    choice: &Choice,
    shard: Shard,
    board: &Board,
    stop: &CancellationToken,
) -> Option<Vec<Market>> {
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    loop {
        let asked = tokio::select! {
            asked = ask(rest, choice, shard) => asked,
            () = stop.cancelled() => return None,
        };
        let problem = match asked {
            Ok(markets) if !markets.is_empty() => {
                info!(markets = markets.len(), choice = %choice, "chose {} markets", markets.len());
                return Some(markets);
            }
            Ok(_none) => format!("the catalogue has no open market for `{choice}`"),
            Err(error) => chassis::logline::chain(&error),
        };
        let pause = backoff.next(fastrand::u64(..));
        warn!(retry = ?pause, "the markets are not known yet: {problem}");
        board.universe_failed(problem);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return None,
        }
    }
}

/// What is known of a market, on its subject.
pub(crate) fn market_message(market: &Market) -> Message {
    let payload = encode(market);
    // The same words told again within the bus's memory are one message.
    let digest = TickId::of_content(&[
        "market",
        market.condition_id.as_str(),
        &market.updated_at.micros().to_string(),
    ]);
    Message::new(subject::market(&market.condition_id), digest.to_string(), payload)
}

async fn ask(rest: &Rest, choice: &Choice, shard: Shard) -> Result<Vec<Market>, RestError> {
    let mut markets = match choice {
        Choice::Top(count) => sweep(rest, *count, shard).await?,
        Choice::All => sweep(rest, usize::MAX, shard).await?,
        Choice::Markets(names) => {
            let mut found = Vec::new();
            for chunk in names.chunks(IDS_PER_CALL) {
                found.extend(rest.markets_of(chunk).await?);
            }
            found
        }
        Choice::Tokens(tokens) => {
            let mut found = Vec::new();
            for chunk in tokens.chunks(IDS_PER_CALL) {
                found.extend(rest.markets_of_tokens(chunk).await?);
            }
            found
        }
    };
    let mut seen = std::collections::HashSet::new();
    markets.retain(|market| shard.holds(&market.condition_id) && seen.insert(market.condition_id.clone()));
    Ok(markets)
}

/// The first `count` open markets by volume; of those, ours.
async fn sweep(rest: &Rest, count: usize, shard: Shard) -> Result<Vec<Market>, RestError> {
    let (mut markets, mut seen, mut cursor) = (Vec::new(), 0, None::<String>);
    for _page in 0..PAGES_MAX {
        let page = rest.markets_page(cursor.as_deref(), PAGE).await?;
        for market in page.markets {
            if seen < count && market.active && !market.closed {
                seen += 1;
                markets.extend(shard.holds(&market.condition_id).then_some(market));
            }
        }
        // A cursor that repeats itself would page for ever.
        if seen >= count || page.next_cursor.is_none() || page.next_cursor == cursor {
            break;
        }
        cursor = page.next_cursor;
    }
    Ok(markets)
}

// === impl Choice ===

impl Choice {
    /// Reads `FEED_UNIVERSE`.
    ///
    /// # Errors
    /// When it is none of the four forms.
    pub fn of_text(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let names = |list: &str| -> Vec<String> {
            list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        match text.split_once(':') {
            Some(("top", count)) => match count.parse() {
                Ok(count @ 1..=100_000) => Ok(Self::Top(count)),
                _ => Err("top: wants a number from 1 to 100000".to_owned()),
            },
            Some(("markets", list)) => {
                let names = names(list);
                let odd = names.iter().find(|name| !is_name(name));
                match odd {
                    Some(odd) => Err(format!(
                        "`{}` is neither a slug nor a condition id",
                        chassis::logline::shown(odd, 80)
                    )),
                    None if names.is_empty() => {
                        Err("markets: wants at least one slug or condition id".to_owned())
                    }
                    None => Ok(Self::Markets(names)),
                }
            }
            Some(("tokens", list)) => {
                let tokens: Result<Vec<TokenId>, _> =
                    names(list).iter().map(|id| TokenId::try_from(id.as_str())).collect();
                match tokens {
                    Ok(tokens) if tokens.is_empty() => Err("tokens: wants at least one token id".to_owned()),
                    Ok(tokens) => Ok(Self::Tokens(tokens)),
                    Err(odd) => Err(odd.to_string()),
                }
            }
            _ => Err("wants top:N, all, markets:<…> or tokens:<…>".to_owned()),
        }
    }
}

fn is_name(name: &str) -> bool {
    let slug = name.len() <= 300 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    slug || ConditionId::try_from(name).is_ok()
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Top(count) => write!(f, "top:{count}"),
            Self::All => f.write_str("all"),
            Self::Markets(names) => write!(f, "markets:{} of them", names.len()),
            Self::Tokens(tokens) => write!(f, "tokens:{} of them", tokens.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_forms_are_read() {
        assert_eq!(Choice::of_text("top:1"), Ok(Choice::Top(1)));
        assert_eq!(Choice::of_text("all"), Ok(Choice::All));
        assert_eq!(Choice::of_text("markets: a-b, 0xab").unwrap().to_string(), "markets:2 of them");
        assert_eq!(Choice::of_text("tokens:71,72").unwrap().to_string(), "tokens:2 of them");
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "top",
            "top:0",
            "top:100001",
            "top:x",
            "markets:",
            "markets:a b",
            "tokens:",
            "tokens:x",
            "some:1",
        ] {
            assert!(Choice::of_text(text).is_err(), "{text}");
        }
    }
}
