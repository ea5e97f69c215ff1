//! What the venue announces of markets: that one came into being, and how one ended.
//!
//! Knows: which members may be missing or odd. Never: the catalogue, which knows more a little later.

use contract::ids::{ConditionId, TokenId};
use contract::market::{Market, Outcome as Named, Resolution, ResolutionSource};
use contract::time::Timestamp;
use serde_json::value::RawValue;

use super::{Outcome, condition, decimal, filled};
use crate::rest::text::{OUTCOME_MAX, QUESTION_MAX, SLUG_MAX, clean, list, tags};
use crate::wire::{EventMessage, MarketResolved, NewMarket, Scalar};

/// A market as its announcement describes it: what cannot be read is unknown, and the catalogue is asked anyway.
pub(super) fn new_market(wire: &NewMarket<'_>, received_at: Timestamp) -> Outcome<Market> {
    let text = |scalar: Option<&Scalar<'_>>, max| filled(scalar).map(|text| clean(&text, max));
    let slug = text(wire.slug.as_ref(), SLUG_MAX).unwrap_or_default();
    let question = text(wire.question.as_ref(), QUESTION_MAX).filter(|question| !question.is_empty());
    let event: Option<EventMessage<'_>> =
        wire.event_message.and_then(|raw| serde_json::from_str(raw.get()).ok());
    Ok(Market {
        question: question.unwrap_or_else(|| slug.clone()),
        slug,
        active: wire.active.is_some_and(|raw| raw.get() == "true"),
        tick_size: filled(wire.order_price_min_tick_size.as_ref()).and_then(|text| decimal(&text).ok()),
        tokens: tokens(wire.assets_ids.or(wire.asset_ids), wire.outcomes),
        event_slug: event.and_then(|event| text(event.slug.as_ref(), SLUG_MAX)),
        tags: tags(wire.tags),
        ..Market::unknown(condition(&wire.market)?, received_at)
    })
}

/// How a market ended.
pub(super) fn resolved(
    wire: &MarketResolved<'_>,
    received_at: Timestamp,
) -> Outcome<(ConditionId, Resolution)> {
    let at = filled(wire.timestamp.as_ref()).and_then(|text| Timestamp::of_venue_millis(&text).ok());
    let winner = filled(wire.winning_asset_id.as_ref());
    let outcome = filled(wire.winning_outcome.as_ref()).map(|text| clean(&text, OUTCOME_MAX));
    let resolution = Resolution {
        resolved_at: Some(at.unwrap_or(received_at)),
        winning_token_id: winner.and_then(|id| TokenId::try_from(id.as_ref()).ok()),
        winning_outcome: outcome.filter(|name| !name.is_empty()),
        source: ResolutionSource::MarketResolved,
    };
    Ok((condition(&wire.market)?, resolution))
}

/// The two outcomes with their tokens; empty where they cannot be read for certain.
fn tokens(ids: Option<&RawValue>, outcomes: Option<&RawValue>) -> Vec<Named> {
    let (Some(ids), Some(names)) = (list(ids), list(outcomes)) else { return Vec::new() };
    let pairs = ids.iter().zip(&names).map(|(id, name)| {
        let token_id = TokenId::try_from(id.as_str()).ok()?;
        Some(Named { token_id, outcome: clean(name, OUTCOME_MAX) })
    });
    let tokens: Option<Vec<Named>> = pairs.collect();
    let is_pair = |tokens: &Vec<Named>| {
        ids.len() == 2 && names.len() == 2 && tokens.len() == 2 && tokens[0].token_id != tokens[1].token_id
    };
    tokens.filter(is_pair).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{FrameEvent, frame};

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn announced(members: &str) -> Market {
        let text = format!(r#"{{"event_type":"new_market","market":"0xab"{members}}}"#);
        match frame(&text, NOW).remove(0) {
            FrameEvent::NewMarket(market) => *market,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_market_is_known_from_its_frame_as_far_as_that_goes() {
        let market = announced(
            r#","slug":"btc-updown-5m-1790000100","question":"Up?","assets_ids":["71","72"],"outcomes":["Up","Down"],
            "tags":["crypto"],"order_price_min_tick_size":0.01,"active":true,"event_message":{"slug":"e"}"#,
        );
        let tokens: Vec<&str> = market.tokens.iter().map(|named| named.token_id.as_str()).collect();
        assert_eq!((tokens, market.tokens[1].outcome.as_str()), (vec!["71", "72"], "Down"));
        assert_eq!(
            (market.slug.as_str(), market.event_slug.as_deref()),
            ("btc-updown-5m-1790000100", Some("e"))
        );
        assert_eq!(
            (market.tags, market.active, market.order_size_min),
            (vec!["crypto".to_owned()], true, None)
        );
        assert_eq!(market.tick_size.unwrap().to_string(), "0.01");
    }

    #[test]
    fn odd_members_of_an_announcement_cost_only_themselves() {
        for members in [
            "",
            r#","assets_ids":"x","outcomes":7,"tags":null,"event_message":[]"#,
            r#","assets_ids":["71"],"outcomes":["Up"]"#,
            r#","assets_ids":["71","71"],"outcomes":["Up","Down"]"#,
            r#","assets_ids":["71","x"],"outcomes":["Up","Down"]"#,
            r#","assets_ids":["71","72","73"],"outcomes":["a","b","c"]"#,
        ] {
            let market = announced(members);
            assert_eq!((market.condition_id.as_str(), market.tokens.len()), ("0xab", 0), "{members}");
        }
    }

    #[test]
    fn a_resolution_names_its_winner_and_when() {
        let resolution = |members: &str| {
            let text = format!(r#"{{"event_type":"market_resolved","market":"0xab"{members}}}"#);
            match frame(&text, NOW).remove(0) {
                FrameEvent::Resolved(_, resolution) => resolution,
                other => panic!("{other:?}"),
            }
        };
        let actual =
            resolution(r#","winning_asset_id":"71","winning_outcome":"Yes","timestamp":"1789999999000""#);
        assert_eq!(actual.winning_token_id.unwrap().as_str(), "71");
        assert_eq!(actual.winning_outcome.as_deref(), Some("Yes"));
        assert_eq!(actual.resolved_at, Some(Timestamp::from_millis(1_789_999_999_000)));
        let bare = resolution(r#","winning_asset_id":"","winning_outcome":null"#);
        assert_eq!((bare.winning_token_id, bare.winning_outcome, bare.resolved_at), (None, None, Some(NOW)));
    }
}
