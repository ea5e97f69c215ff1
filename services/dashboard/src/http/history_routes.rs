//! Answers about the past of one token, and of all markets together.
//!
//! Knows: parameters, spans and steps. Never: SQL, or what a cell of the grid means.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chassis::clock;
use contract::time::Timestamp;
use store::CoverageOrder;

use super::App;
use super::answer::{self, ApiError};
use super::history::unanswered;
use super::query_params::QueryParams;
use super::tokens::known;
use crate::view::chart::{Chart, Ladder};
use crate::view::coverage::{Grid, HOUR_US};
use crate::view::json;

/// Most points of a chart.
const POINTS_MAX: u32 = 600;
/// Longest chart, in minutes: what is kept by default.
const MINUTES_MAX: usize = 7 * 24 * 60;
/// Widest grid, in hours: likewise.
const HOURS_MAX: usize = 7 * 24;
/// Largest offset into the grid.
const OFFSET_MAX: usize = 100_000;

/// `/api/tokens/{token_id}/book`.
pub(crate) async fn book(
    State(app): State<App>,
    Path(text): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let levels = QueryParams::of(&uri, &["levels"])?.whole("levels", 20, 1, 1_000)?;
    let (token_id, _) = known(&app, &text, clock::now().into()).await?;
    let ladder = app.reader.ladder(&token_id).await.map_err(unanswered)?;
    let nothing = || ApiError::new(StatusCode::NOT_FOUND, "no book of this token is stored yet");
    let ladder = ladder.ok_or_else(nothing)?;
    Ok(answer::stored(&app.board, &Ladder::of(&token_id, &ladder, levels)))
}

/// `/api/tokens/{token_id}/chart`.
pub(crate) async fn chart(
    State(app): State<App>,
    Path(text): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let minutes = QueryParams::of(&uri, &["minutes"])?.whole("minutes", 60, 1, MINUTES_MAX)?;
    let to = Timestamp::from(clock::now());
    let (token_id, market) = known(&app, &text, to).await?;
    let seconds = u32::try_from(minutes * 60).unwrap_or(u32::MAX);
    // One point may lie before the span, and the last step is cut off by the present.
    let step_s = seconds.div_ceil(POINTS_MAX - 2).max(1);
    let from = Timestamp::from_micros(to.micros() - i64::from(seconds) * 1_000_000);
    let chart = app.reader.chart(&token_id, &market, (from, to), step_s).await;
    let chart = Chart::of(chart.map_err(unanswered)?, (from, to), step_s);
    Ok(answer::stored(&app.board, &chart))
}

/// `/api/coverage`. The order goes over all markets, which takes the database some 50 ms when there are 20,000.
pub(crate) async fn coverage(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let asked = QueryParams::of(&uri, &["hours", "sort", "limit", "offset"])?;
    let hours = asked.whole("hours", 24, 1, HOURS_MAX)?;
    let (limit, offset) = (asked.limit()?, asked.whole("offset", 0, 0, OFFSET_MAX)?);
    let shape = "one of worst, best, question, volume_24h";
    let order = asked.parsed("sort", shape, CoverageOrder::of_word)?.unwrap_or_default();
    let question = (hours, order, limit, offset);
    if let Some(grid) = app.grids.get(&question) {
        return Ok(answer::text(StatusCode::OK, grid));
    }
    let now = Timestamp::from(clock::now());
    // What no feed was there to miss is in no gap yet, and what waits is not stored: behind that nothing is known.
    let stored_until = app.board.with(|fold| fold.stored_until);
    let hour = now.micros().div_euclid(HOUR_US);
    let from = Timestamp::from_micros((hour - i64::try_from(hours).unwrap_or(1) + 1) * HOUR_US);
    let known_until = stored_until.unwrap_or(Timestamp::from_micros(hour * HOUR_US)).min(now);
    let coverage = app.reader.coverage((from, now), order, limit, offset).await.map_err(unanswered)?;
    let grid = Bytes::from(json(&Grid::of(&coverage, (from, now), known_until, hours)));
    app.grids.keep(question, grid.clone());
    Ok(answer::text(StatusCode::OK, grid))
}
