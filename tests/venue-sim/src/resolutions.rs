//! How markets were resolved, as the Data API tells it.
//!
//! Knows: `GET /v2/resolutions` (protocol reference 7, finding 19). Never: who asks.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;

use crate::clock;
use crate::market::{Listing, Market};
use crate::rest::{invalid_request, json, value, values};
use crate::scenario::Service;
use crate::scenario::catalogue::ResolutionForm;
use crate::shared::Shared;

/// Most condition ids of one question.
const CONDITIONS_MAX: usize = 20;
/// What a share of the winning outcome pays, in millionths of a dollar.
const WHOLE: u64 = 1_000_000;

/// `GET /v2/resolutions?condition=…`: a row of each market that was resolved, in the order asked for; those
/// that were not have none. Payouts are in the order of the outcomes.
pub(crate) async fn resolutions(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Data, "/v2/resolutions", &shared.stop).await {
        return refused;
    }
    let conditions = values(&query, &["condition", "condition_id", "conditionId"]);
    if conditions.is_empty() || value(&query, "event_id").is_some() || value(&query, "question_id").is_some()
    {
        return invalid_request("condition", "exactly one of question_id, condition or event_id is needed");
    }
    if conditions.len() > CONDITIONS_MAX {
        return invalid_request("condition", "at most 20 conditions are allowed");
    }
    let venue = shared.venue();
    let markets = conditions.iter().filter_map(|id| venue.condition(id)).map(|at| &venue.markets[at]);
    let form = match venue.catalogue.resolution_form {
        ResolutionForm::Payouts => by_payouts,
        ResolutionForm::Price => by_price,
    };
    let rows: Vec<String> = markets.filter(|market| market.listing == Listing::Closed).map(form).collect();
    json(format!("{{\"data\":[{}]}}", rows.join(",")))
}

fn by_payouts(market: &Market) -> String {
    let payouts = (0..market.tokens.len()).map(|at| if at == market.winner { WHOLE } else { 0 });
    let payouts: Vec<String> = payouts.map(|payout| payout.to_string()).collect();
    let at = clock::iso(market.closed_at_ms);
    format!(
        "{{\"condition_id\":\"{}\",\"status\":\"resolved\",\"extended_review\":false,\"was_disputed\":false,\
         \"new_version_q\":false,\"transaction_hash\":\"\",\"log_index\":\"\",\"last_update_timestamp\":\"{at}\",\
         \"market_type\":\"BINARY\",\"payouts\":[{}],\"reporter\":\"UMA_OO\",\"resolution_source\":\"reported\",\
         \"resolved_at\":\"{at}\",\"resolved_block\":75000000,\"was_arbitrated\":null}}",
        market.condition_id,
        payouts.join(","),
    )
}

/// The form of some markets of the UMA oracle.
fn by_price(market: &Market) -> String {
    let price = if market.winner == 0 { "1000000000000000000" } else { "0" };
    format!(
        "{{\"question_id\":\"{0}\",\"condition_id\":\"{0}\",\"status\":\"resolved\",\"extended_review\":false,\
         \"was_disputed\":false,\"new_version_q\":true,\"transaction_hash\":\"\",\"log_index\":\"170\",\
         \"last_update_timestamp\":\"{1}\",\"proposed_price\":\"{price}\",\"price\":\"{price}\"}}",
        market.condition_id,
        market.closed_at_ms / 1000,
    )
}
