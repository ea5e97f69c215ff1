//! Single figures of a token at the CLOB's REST: prices, middles, spreads, grids, last trades.
//!
//! Knows: routes and bodies of protocol reference 2.1. Never: who asks.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{BOOKS_MAX, no_book, number};
use crate::clock;
use crate::market::{Market, tick_text};
use crate::rest::{json as answer, refusal, value, values};
use crate::scenario::Service;
use crate::shared::Shared;
use crate::units::Side;
use crate::venue::Venue;

/// What is asked of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Figure {
    /// The best price of a side: of bids for BUY, of asks for SELL.
    Price,
    /// The middle between the best prices.
    Midpoint,
    /// The distance of the best prices.
    Spread,
    /// The price of the last trade and the side of its taker.
    LastTrade,
    /// The smallest price step.
    TickSize,
    /// Whether the market is one of several that exclude each other.
    NegRisk,
    /// The fee in hundredths of a percent.
    FeeRate,
}

/// One element of a question about many tokens.
#[derive(Debug, Deserialize)]
struct Wanted {
    token_id: String,
    side: Option<Side>,
}

impl Figure {
    fn route(self) -> &'static str {
        match self {
            Self::Price => "/price",
            Self::Midpoint => "/midpoint",
            Self::Spread => "/spread",
            Self::LastTrade => "/last-trade-price",
            Self::TickSize => "/tick-size",
            Self::NegRisk => "/neg-risk",
            Self::FeeRate => "/fee-rate",
        }
    }

    fn route_of_many(self) -> &'static str {
        match self {
            Self::Price => "/prices",
            Self::Midpoint => "/midpoints",
            Self::Spread => "/spreads",
            Self::LastTrade => "/last-trades-prices",
            Self::TickSize | Self::NegRisk | Self::FeeRate => "",
        }
    }

    /// The name of the figure in an answer about one token, and the figure.
    fn of(self, market: &Market, token: usize, side: Side) -> (&'static str, Value) {
        let book = &market.tokens[token].book;
        let (bid, ask) = (book.best_bid(), book.best_ask());
        match self {
            Self::Price => ("price", if side == Side::Buy { bid } else { ask }.to_string().into()),
            Self::Midpoint => ("mid", bid.middle(ask).into()),
            Self::Spread => ("spread", ask.moved(-i32::from(bid.units())).to_string().into()),
            Self::LastTrade => {
                ("price", book.last_trade.map_or("0.5".into(), |price| price.to_string()).into())
            }
            Self::TickSize => ("minimum_tick_size", number(&tick_text(market.tick))),
            Self::NegRisk => ("neg_risk", market.neg_risk.into()),
            Self::FeeRate => ("base_fee", 0.into()),
        }
    }
}

/// `GET` of a figure of one token: `?token_id=…`, of a price also `&side=BUY`.
pub(crate) async fn one(
    figure: Figure,
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Clob, figure.route(), &shared.stop).await {
        return refused;
    }
    let Some(token) = value(&query, "token_id") else {
        return refusal(StatusCode::BAD_REQUEST, "Invalid token id");
    };
    let side = value(&query, "side").and_then(Side::parse);
    if figure == Figure::Price && side.is_none() {
        return refusal(StatusCode::BAD_REQUEST, "Invalid side");
    }
    let mut venue = shared.venue();
    let Some((market, token)) = furnished(&mut venue, token) else { return no_book() };
    let (name, figure_of) = figure.of(market, token, side.unwrap_or(Side::Buy));
    let mut body = Map::from_iter([(name.to_owned(), figure_of)]);
    if figure == Figure::LastTrade {
        body.insert("side".to_owned(), last_side(market, token).into());
    }
    answer(Value::Object(body).to_string())
}

/// `POST` of a figure of many tokens: `[{"token_id":"…","side":"BUY"}]`. Tokens without a book are left out.
pub(crate) async fn many(figure: Figure, State(shared): State<Arc<Shared>>, sent: String) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Clob, figure.route_of_many(), &shared.stop).await {
        return refused;
    }
    match serde_json::from_str::<Vec<Wanted>>(&sent) {
        Ok(wanted) => of_many(figure, &wanted, &mut shared.venue()),
        Err(_) => refusal(StatusCode::BAD_REQUEST, "Invalid payload"),
    }
}

/// `GET /last-trades-prices?token_ids=…,…`
pub(crate) async fn last_trades(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let figure = Figure::LastTrade;
    if let Err(refused) = shared.desk.admit(Service::Clob, figure.route_of_many(), &shared.stop).await {
        return refused;
    }
    let ids = values(&query, &["token_ids", "token_id"]).into_iter();
    let wanted: Vec<Wanted> = ids.map(|id| Wanted { token_id: id.to_owned(), side: None }).collect();
    of_many(figure, &wanted, &mut shared.venue())
}

fn of_many(figure: Figure, wanted: &[Wanted], venue: &mut Venue) -> Response {
    if wanted.len() > BOOKS_MAX {
        return refusal(StatusCode::BAD_REQUEST, "Payload exceeds the limit");
    }
    if figure == Figure::Price && wanted.iter().any(|wanted| wanted.side.is_none()) {
        return refusal(StatusCode::BAD_REQUEST, "Invalid side");
    }
    let (mut by_token, mut rows) = (Map::new(), Vec::new());
    for Wanted { token_id, side } in wanted {
        let Some((market, token)) = furnished(venue, token_id) else { continue };
        let side = side.unwrap_or(Side::Buy);
        let (_, of) = figure.of(market, token, side);
        match figure {
            Figure::LastTrade => {
                rows.push(json!({"token_id": token_id, "price": of, "side": last_side(market, token)}));
            }
            Figure::Price => {
                let sides = by_token.entry(token_id).or_insert_with(|| Value::Object(Map::new()));
                sides[side.word()] = of;
            }
            _ => drop(by_token.insert(token_id.clone(), of)),
        }
    }
    answer(if figure == Figure::LastTrade { Value::Array(rows) } else { Value::Object(by_token) }.to_string())
}

/// The market of a token whose book REST has, with that book filled, and the place of the token.
fn furnished<'a>(venue: &'a mut Venue, id: &str) -> Option<(&'a Market, usize)> {
    let now_ms = clock::now_ms();
    let (market, token) = venue.token_at_rest(id, now_ms)?;
    let market = &mut venue.markets[market];
    market.furnish(now_ms);
    (market.tokens[token].book.changed_at_ms > 0).then_some((market, token))
}

/// The side of the last trade; of one from before this run a buyer's, empty where there never was one.
fn last_side(market: &Market, token: usize) -> &'static str {
    match market.tokens[token].book.last_trade {
        None => "",
        Some(_) => market.last_side.unwrap_or(Side::Buy).word(),
    }
}
