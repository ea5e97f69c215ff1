//! The venue's REST routes: catalogue, books, trades, clock.
//!
//! Knows: addresses, parameters, page sizes. Never: a second attempt; an error says whether one may help.
//!
//! Source: the venue's documentation and SDKs to October 2026.

mod books;
mod client;
mod error;
mod markets;
mod resolutions;
pub(crate) mod text;
mod trades;
mod wire;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use contract::ids::{ConditionId, TokenId};
use contract::market::{Market, Outcome};
use contract::time::Timestamp;

use client::Client;

pub use books::RestBook;
pub use error::RestError;
pub use resolutions::RestResolution;
pub use trades::RestTrade;

/// Most tokens of one [`Rest::books`]: the venue limits the request by bytes, at about 500.
pub const BOOKS_TOKENS_MAX: usize = 250;

/// Most markets of one [`Rest::trades`]; a 21st is refused by the venue.
pub const TRADES_MARKETS_MAX: usize = 20;

/// Most rows of one page of trades; one more is refused by the venue.
pub const TRADES_ROWS_MAX: u32 = 1_000;

/// Most rows that the documentation of the old Data API promises.
const V1_ROWS_MAX: u32 = 500;

/// Most rows of one page of markets.
pub const MARKETS_ROWS_MAX: u32 = 100;

/// How far the old Data API can be paged; beyond it answers 400.
const V1_OFFSET_MAX: u32 = 3_000;

/// Reasons kept of skipped rows; the rest are only counted.
const REASONS_MAX: usize = 10;

/// Where the venue is and how it is to be treated.
#[derive(Clone, Debug)]
pub struct RestConfig {
    /// `POLYMARKET_CLOB_URL`: books and the clock. Default `https://clob.polymarket.com`.
    pub clob_url: String,
    /// `POLYMARKET_GAMMA_URL`: the catalogue. Default `https://gamma-api.polymarket.com`.
    pub gamma_url: String,
    /// `POLYMARKET_DATA_URL`: trades. Default `https://data-api.polymarket.com`.
    pub data_url: String,
    /// `POLYMARKET_DATA_VERSION`: which form of the Data API. Default v2.
    pub data_version: DataVersion,
    /// `REST_RATE_PER_S`: calls a second, over all routes. Default 10.
    pub rate_per_s: NonZeroU32,
    /// `REST_TIMEOUT_S`: longest time of one call, waiting for its turn included. Default 5 s.
    pub timeout: Duration,
    /// Tells the time at which a market was learned; this crate reads no clock.
    pub now: fn() -> Timestamp,
}

/// Which form of the Data API is spoken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DataVersion {
    /// Announced to end on 2026-10-24.
    V1,
    /// An envelope with paging by cursor.
    #[default]
    V2,
}

/// The venue's REST routes. Cloning shares connections and rate.
#[derive(Clone, Debug)]
pub struct Rest {
    client: Arc<Client>,
    config: Arc<RestConfig>,
}

/// Rows that could not be read. They cost their neighbours nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// Why, for the first ten.
    pub reasons: Vec<String>,
}

/// A page of the catalogue.
#[derive(Clone, Debug, Default)]
pub struct MarketPage {
    /// The markets, in the venue's order.
    pub markets: Vec<Market>,
    /// What could not be read.
    pub skipped: Skipped,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
}

/// A page of trades.
#[derive(Clone, Debug, Default)]
pub struct TradePage {
    /// The trades, newest first.
    pub trades: Vec<RestTrade>,
    /// What could not be read.
    pub skipped: Skipped,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
    /// There are older rows, and this way does not lead to them.
    pub is_cut: bool,
    /// For how long a cache between us and the venue has had this page; zero where it came from the venue itself.
    pub age: Duration,
}

// === impl Rest ===

impl Rest {
    /// A client for these addresses. Nothing is sent yet.
    ///
    /// # Errors
    /// When an address is no http or https address, or TLS cannot be set up.
    pub fn new(config: RestConfig) -> Result<Self, RestError> {
        Self::with_observer(config, |_, _, _| {})
    }

    /// As [`Rest::new`]; `observer` is called after every call: its route, its outcome in a word (`answered` or
    /// [`RestError::word`]), and how long it took, waiting for its turn included.
    ///
    /// # Errors
    /// As [`Rest::new`].
    pub fn with_observer(
        config: RestConfig,
        observer: impl Fn(&'static str, &'static str, Duration) + Send + Sync + 'static,
    ) -> Result<Self, RestError> {
        let urls = [&config.clob_url, &config.gamma_url, &config.data_url];
        let urls = urls.map(String::as_str);
        let client = Client::new(&urls, config.rate_per_s, config.timeout, Box::new(observer))?;
        Ok(Self { client: Arc::new(client), config: Arc::new(config) })
    }

    /// A page of the open markets, those with the highest volume of the last 24 hours first.
    ///
    /// `limit`: 1 to [`MARKETS_ROWS_MAX`] rows; more counts as that many.
    ///
    /// # Errors
    /// When the call fails or its answer is no page of markets.
    pub async fn markets_page(&self, cursor: Option<&str>, limit: u32) -> Result<MarketPage, RestError> {
        let mut query = vec![
            ("limit", limit.clamp(1, MARKETS_ROWS_MAX).to_string()),
            ("closed", "false".to_owned()),
            ("active", "true".to_owned()),
            ("order", "volume24hr".to_owned()),
            ("ascending", "false".to_owned()),
        ];
        query.extend(cursor.map(|cursor| ("after_cursor", cursor.to_owned())));
        let route = "/markets/keyset";
        let body = self.client.get(&self.config.gamma_url, route, &query).await?;
        markets::page(route, &body, (self.config.now)())
    }

    /// The open markets with these names: condition ids or slugs. What the catalogue does not have is left out.
    ///
    /// # Errors
    /// When a call fails or its answer is no list of markets.
    pub async fn markets_of(&self, names: &[String]) -> Result<Vec<Market>, RestError> {
        let (ids, slugs): (Vec<_>, Vec<_>) =
            names.iter().map(String::as_str).partition(|name| ConditionId::try_from(*name).is_ok());
        let mut found = self.markets_by("condition_ids", &ids, "false").await?;
        found.extend(self.markets_by("slug", &slugs, "false").await?);
        Ok(found)
    }

    /// The open markets that these tokens belong to. What the catalogue does not have is left out.
    ///
    /// # Errors
    /// When a call fails or its answer is no list of markets.
    pub async fn markets_of_tokens(&self, tokens: &[TokenId]) -> Result<Vec<Market>, RestError> {
        let tokens: Vec<_> = tokens.iter().map(TokenId::as_str).collect();
        self.markets_by("clob_token_ids", &tokens, "false").await
    }

    /// Those of these markets that are closed: resolved or withdrawn.
    ///
    /// # Errors
    /// When a call fails or its answer is no list of markets.
    pub async fn closed_markets_of(&self, markets: &[ConditionId]) -> Result<Vec<Market>, RestError> {
        let markets: Vec<_> = markets.iter().map(ConditionId::as_str).collect();
        self.markets_by("condition_ids", &markets, "true").await
    }

    /// How these markets were resolved, those of the first [`TRADES_MARKETS_MAX`] that were.
    ///
    /// # Errors
    /// When the call fails or its answer is no list of resolutions.
    pub async fn resolutions_of(&self, markets: &[ConditionId]) -> Result<Vec<RestResolution>, RestError> {
        let asked = markets.iter().take(TRADES_MARKETS_MAX);
        let asked = asked.map(ConditionId::as_str).collect::<Vec<_>>().join(",");
        let route = "/v2/resolutions";
        let body = self.client.get(&self.config.data_url, route, &[("condition", asked)]).await?;
        let mut found = resolutions::all(route, &body)?;
        found.retain(|resolution| markets.contains(&resolution.condition_id));
        Ok(found)
    }

    /// The book of a token; none when the venue keeps no book for it.
    ///
    /// # Errors
    /// When the call fails or its answer is no book.
    pub async fn book(&self, token_id: &TokenId) -> Result<Option<RestBook>, RestError> {
        let query = [("token_id", token_id.to_string())];
        match self.client.get(&self.config.clob_url, "/book", &query).await {
            Ok(body) => books::one("/book", &body).map(Some),
            Err(RestError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The books of at most [`BOOKS_TOKENS_MAX`] tokens, in no order; those beyond are not asked for.
    ///
    /// A token without a book is left out, and so is a book that was not asked for or cannot be read.
    ///
    /// # Errors
    /// When the call fails or its answer is no list.
    pub async fn books(&self, tokens: &[TokenId]) -> Result<Vec<RestBook>, RestError> {
        let tokens = &tokens[..tokens.len().min(BOOKS_TOKENS_MAX)];
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let body = self.client.post(&self.config.clob_url, "/books", books::request(tokens)).await?;
        let mut books = books::all("/books", &body)?;
        books.retain(|book| tokens.contains(&book.token_id));
        Ok(books)
    }

    /// Where [`Rest::books`] asks, for whoever notes its calls.
    pub fn books_address(&self) -> String {
        format!("{}/books", self.config.clob_url.trim_end_matches('/'))
    }

    /// The venue's clock, in whole seconds.
    ///
    /// # Errors
    /// When the call fails or its answer is no time.
    pub async fn time(&self) -> Result<Timestamp, RestError> {
        let body = self.client.get(&self.config.clob_url, "/time", &[]).await?;
        let seconds = body.trim().trim_matches('"').parse().ok();
        let time = seconds.and_then(|seconds| Timestamp::of_venue_seconds(seconds).ok());
        time.ok_or_else(|| RestError::odd("/time", "not a number of seconds"))
    }

    /// The newest trades of at most [`TRADES_MARKETS_MAX`] markets, one row for each taker, newest first.
    /// Markets beyond are not asked for.
    ///
    /// `limit`: 1 to [`TRADES_ROWS_MAX`] rows over all these markets (500 on v1). `cursor`: from the page before.
    ///
    /// # Errors
    /// When the call fails or its answer is no page of trades.
    pub async fn trades(
        &self,
        markets: &[ConditionId],
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<TradePage, RestError> {
        let asked =
            markets.iter().take(TRADES_MARKETS_MAX).map(ConditionId::as_str).collect::<Vec<_>>().join(",");
        let limit = limit.clamp(1, TRADES_ROWS_MAX);
        match self.config.data_version {
            DataVersion::V1 => self.trades_v1(asked, limit, cursor).await,
            DataVersion::V2 => {
                let mut query = vec![("condition", asked), ("limit", limit.to_string())];
                query.push(("taker_only", "true".to_owned()));
                query.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
                query.push(self.uncached());
                let answer = self.client.ask(&self.config.data_url, "/v2/trades", &query).await?;
                Ok(TradePage { age: answer.age, ..trades::page_v2("/v2/trades", &answer.body)? })
            }
        }
    }

    /// Where [`Rest::trades`] asks, for whoever notes its calls; without what is asked.
    pub fn trades_address(&self) -> String {
        let route = if self.config.data_version == DataVersion::V1 { "/trades" } else { "/v2/trades" };
        format!("{}{route}", self.config.data_url.trim_end_matches('/'))
    }

    /// How far the Data API's rows lag behind the chain, with the age of that figure; none where its version does not
    /// say.
    ///
    /// # Errors
    /// When the call fails or its answer is no number of seconds.
    pub async fn trades_lag(&self) -> Result<Option<Duration>, RestError> {
        if self.config.data_version == DataVersion::V1 {
            return Ok(None);
        }
        let route = "/v2/status";
        let body = self.client.get(&self.config.data_url, route, &[]).await?;
        let status: wire::Status<'_> = markets::wire_of(route, &body)?;
        let serving = status.data.as_ref().and_then(|data| data.serving.as_ref());
        let lag = wire::decimal(serving.map_or(status.lag_seconds, |serving| serving.lag_seconds));
        // A status that is itself old says how far the rows lagged then.
        let age = status.data.and_then(|data| wire::decimal(data.age_seconds)).unwrap_or_default();
        let sum = lag.and_then(|lag| lag.checked_add(age));
        match sum.and_then(|sum| u64::try_from(sum.ceil()).ok()) {
            Some(seconds) => Ok(Some(Duration::from_secs(seconds))),
            None => Err(RestError::odd(route, "no number of seconds that it lags behind")),
        }
    }

    /// Whether a row may stand on two pages of [`Rest::trades`]: so it was seen where pages go by offset.
    pub fn trades_pages_overlap(&self) -> bool {
        self.config.data_version == DataVersion::V1
    }

    /// Calls made so far, failed ones included.
    pub fn calls(&self) -> u64 {
        self.client.calls()
    }

    /// The old Data API pages by offset: our cursor is the offset in digits.
    async fn trades_v1(
        &self,
        asked: String,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<TradePage, RestError> {
        let limit = limit.min(V1_ROWS_MAX);
        let offset: u32 = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let mut query = vec![("market", asked), ("limit", limit.to_string())];
        query.extend([("takerOnly", "true".to_owned()), ("offset", offset.to_string()), self.uncached()]);
        let answer = self.client.ask(&self.config.data_url, "/trades", &query).await?;
        let mut page = trades::page_v1("/trades", &answer.body)?;
        let next = offset.saturating_add(limit);
        let is_full = page.trades.len() as u64 + page.skipped.count >= u64::from(limit);
        page.next_cursor = (is_full && next <= V1_OFFSET_MAX).then(|| next.to_string());
        (page.is_cut, page.age) = (is_full && next > V1_OFFSET_MAX, answer.age);
        Ok(page)
    }

    /// A parameter that the venue passes over and that makes each address another one: the same one is answered from a
    /// cache for five minutes.
    fn uncached(&self) -> (&'static str, String) {
        ("_", format!("{}-{}", (self.config.now)().micros(), self.client.calls()))
    }

    /// Looks markets up by name. The old route is past its announced end: it is only asked where the new one refuses,
    /// or answers with other markets because it does not know the filter.
    async fn markets_by(
        &self,
        name: &'static str,
        values: &[&str],
        closed: &'static str,
    ) -> Result<Vec<Market>, RestError> {
        let mut found = Vec::new();
        for chunk in values.chunks(TRADES_MARKETS_MAX) {
            let mut query = vec![("limit", MARKETS_ROWS_MAX.to_string()), ("closed", closed.to_owned())];
            query.extend(chunk.iter().map(|value| (name, (*value).to_owned())));
            let route = "/markets/keyset";
            let answer = match self.client.get(&self.config.gamma_url, route, &query).await {
                Ok(body) => Some(markets::page(route, &body, (self.config.now)())?.markets),
                Err(RestError::Refused { .. }) => None,
                Err(error) => return Err(error),
            };
            let is_asked = |market: &Market| chunk.iter().any(|value| goes_by(market, value));
            let answer = answer.filter(|markets| markets.iter().all(is_asked));
            found.extend(if let Some(markets) = answer {
                markets
            } else {
                let body = self.client.get(&self.config.gamma_url, "/markets", &query).await?;
                markets::list("/markets", &body, (self.config.now)())?.markets
            });
        }
        Ok(found)
    }
}

/// Whether a market has this id, slug or token. The venue may have taken the tokens of a closed one away.
fn goes_by(market: &Market, name: &str) -> bool {
    let of_token = |named: &Outcome| named.token_id.as_str() == name;
    market.condition_id.as_str() == name
        || market.slug == name
        || market.tokens.iter().any(of_token)
        || (market.closed && market.tokens.is_empty())
}

// === impl Skipped ===

impl Skipped {
    /// Counts a row that could not be read.
    fn note(&mut self, reason: String) {
        self.count += 1;
        if self.reasons.len() < REASONS_MAX {
            self.reasons.push(reason);
        }
    }
}

// === impl RestConfig ===

impl RestConfig {
    /// The venue's own addresses, at the default rate and time limit.
    pub fn of_venue(now: fn() -> Timestamp) -> Self {
        Self {
            clob_url: "https://clob.polymarket.com".to_owned(),
            gamma_url: "https://gamma-api.polymarket.com".to_owned(),
            data_url: "https://data-api.polymarket.com".to_owned(),
            data_version: DataVersion::V2,
            rate_per_s: const { NonZeroU32::new(10).expect("ten is not zero") },
            timeout: Duration::from_secs(5),
            now,
        }
    }
}

#[cfg(test)]
mod canned;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
