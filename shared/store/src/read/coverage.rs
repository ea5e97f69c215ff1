//! How complete the data of markets is: which have the largest gaps, and these gaps.
//!
//! Knows: the views of schema `api`. Never: what a cell of the grid shows.

use contract::ids::ConditionId;
use contract::time::Timestamp;
use tokio_postgres::types::{ToSql, Type};

use super::{Reader, condition_id, get, rows_of};
use crate::error::StoreError;
use crate::row::Gap;

/// Gaps of one page of markets.
const GAPS_MAX: i64 = 50_000;

/// In which order markets are told.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum CoverageOrder {
    /// The longest gaps first.
    #[default]
    Worst,
    /// The shortest first.
    Best,
    /// By question.
    Question,
    /// By volume, the largest first.
    Volume,
}

/// A market in the grid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CoveredMarket {
    /// The market.
    pub condition_id: ConditionId,
    /// Its question.
    pub question: String,
    /// Since when it is known; none where that is not known.
    pub first_seen_at: Option<Timestamp>,
}

/// Some markets of the grid.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    /// Markets that are open, wherever they stand.
    pub total: u64,
    /// Those of the page.
    pub markets: Vec<CoveredMarket>,
    /// Their gaps that reach into the span.
    pub gaps: Vec<Gap>,
}

/// How long each market lacked ticks in the span, gaps that overlap counted once.
const MARKETS: &str = "with lost as ( \
        select condition_id, range_agg(tstzrange(greatest(opened_at, $1), least(coalesce(healed_at, $2), $2))) as spans \
        from api.gaps where cause <> 'not_followed' and opened_at < $2 and (healed_at is null or healed_at > $1) \
        group by condition_id), \
    summed as ( \
        select condition_id, (select sum(upper(s) - lower(s)) from unnest(spans) s) as span from lost), \
    away as ( \
        select distinct condition_id from api.gaps \
        where cause = 'not_followed' and healed_at is null and opened_at <= $1) \
    select m.condition_id, m.question, m.first_seen_at, count(*) over () as total \
    from api.markets m left join summed s on s.condition_id = m.condition_id \
    where not m.closed and not exists (select from away a where a.condition_id = m.condition_id) \
    order by \
        case when $3 = 'worst' then coalesce(s.span, '0') end desc, \
        case when $3 = 'best' then coalesce(s.span, '0') end, \
        case when $3 = 'question' then m.question end, \
        m.volume_24h desc nulls last, m.condition_id \
    limit $4 offset $5";

const GAPS: &str = "select id, condition_id, shard, cause, opened_at, healed_at, trades_recovered, detected_at, state from api.gaps \
    where condition_id = any($1) and opened_at < $3 and (healed_at is null or healed_at > $2) \
    order by opened_at limit $4";

// === impl Reader ===

impl Reader {
    /// `limit` (1 to 500) open markets behind the first `offset`, with their gaps between `from` and `to`.
    ///
    /// # Errors
    /// By [`StoreError::class`].
    pub async fn coverage(
        &self,
        (from, to): (Timestamp, Timestamp),
        order: CoverageOrder,
        limit: usize,
        offset: usize,
    ) -> Result<Coverage, StoreError> {
        let (from, to) = (from.date_time(), to.date_time());
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        let params: &[(&(dyn ToSql + Sync), Type)] = &[
            (&from, Type::TIMESTAMPTZ),
            (&to, Type::TIMESTAMPTZ),
            (&order.word(), Type::TEXT),
            (&rows_of(limit), Type::INT8),
            (&offset, Type::INT8),
        ];
        let rows = self.page("read coverage", MARKETS, params).await?;
        let mut coverage = Coverage::default();
        for row in &rows {
            coverage.total = u64::try_from(get::<i64>(row, "total")?).unwrap_or(0);
            let seen_at: Option<chrono::DateTime<chrono::Utc>> = get(row, "first_seen_at")?;
            coverage.markets.push(CoveredMarket {
                condition_id: condition_id(row)?,
                question: get(row, "question")?,
                first_seen_at: seen_at.map(Into::into),
            });
        }
        let ids: Vec<&str> = coverage.markets.iter().map(|market| market.condition_id.as_str()).collect();
        let params: &[(&(dyn ToSql + Sync), Type)] = &[
            (&ids, Type::TEXT_ARRAY),
            (&from, Type::TIMESTAMPTZ),
            (&to, Type::TIMESTAMPTZ),
            (&GAPS_MAX, Type::INT8),
        ];
        let gaps = self.page("read gaps of markets", GAPS, params).await?;
        coverage.gaps = gaps.iter().map(super::gap).collect::<Result<_, _>>()?;
        Ok(coverage)
    }
}

// === impl CoverageOrder ===

impl CoverageOrder {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Worst, Self::Best, Self::Question, Self::Volume];

    /// The word in questions.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Worst => "worst",
            Self::Best => "best",
            Self::Question => "question",
            Self::Volume => "volume_24h",
        }
    }

    /// The order with this word, if there is one.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.word() == word)
    }
}
