//! Which part of the catalogue is followed: `FEED_UNIVERSE`.
//!
//! Knows: the forms of its parts, and which markets they name. Never: a rank, a sweep.

use std::collections::HashSet;

use contract::ids::{ConditionId, TokenId};
use contract::market::Market;

/// `FEED_UNIVERSE`: parts joined by `+`. A market that any of them names is followed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UniverseSelector {
    /// `all`: every open market.
    all: bool,
    /// `top:N`: those with the highest volume of the last 24 hours.
    top: Option<usize>,
    /// `markets:<…>`: condition ids or slugs.
    names: Vec<String>,
    /// `tokens:<…>`: the markets of these.
    tokens: Vec<TokenId>,
    /// `series:<…>`: the markets of these series.
    series: Vec<String>,
    /// `slug:<…>`: markets whose slug fits one of these.
    slugs: Vec<Pattern>,
    /// Names and tokens once more, to be looked up.
    named: HashSet<String>,
    /// As it was written.
    text: String,
}

/// A slug in which `*` stands for any part of it, also for none.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Pattern(String);

/// What is said of a part that is none.
const FORMS: &str =
    "wants top:N, all, markets:<…>, tokens:<…>, series:<…> or slug:<pattern with *>, joined by `+`";
/// Characters of a slug.
const SLUG_MAX: usize = 300;
/// Characters of the text that are shown.
const SHOWN_MAX: usize = 80;

// === impl UniverseSelector ===

impl UniverseSelector {
    /// Reads `FEED_UNIVERSE`.
    ///
    /// # Errors
    /// When a part is none of the forms, or says nothing.
    pub fn of_text(text: &str) -> Result<Self, String> {
        let mut choice = Self::default();
        for part in text.split('+').map(str::trim) {
            choice.add(part)?;
        }
        choice.named.extend(choice.names.iter().cloned());
        choice.named.extend(choice.tokens.iter().map(ToString::to_string));
        text.clone_into(&mut choice.text);
        Ok(choice)
    }

    /// `top:count`.
    pub fn busiest(count: usize) -> Self {
        Self { top: Some(count), text: format!("top:{count}"), ..Self::default() }
    }

    fn add(&mut self, part: &str) -> Result<(), String> {
        if part == "all" {
            self.all = true;
            return Ok(());
        }
        let Some((form, list)) = part.split_once(':') else { return Err(FORMS.to_owned()) };
        let list: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        if list.is_empty() {
            return Err(format!("{form}: names nothing"));
        }
        match form {
            "top" => match list[0].parse() {
                Ok(count @ 1..=100_000) if list.len() == 1 && self.top.is_none() => self.top = Some(count),
                _ => return Err("top: wants one number from 1 to 100000, once".to_owned()),
            },
            "markets" => {
                let is_name = |name: &str| is_slug(name) || ConditionId::try_from(name).is_ok();
                self.names.extend(checked(&list, is_name, "neither a slug nor a condition id")?);
            }
            "series" => self.series.extend(checked(&list, is_slug, "no slug of a series")?),
            "slug" => {
                let fits = |pattern: &str| is_slug(&pattern.replace('*', "")) && pattern != "*";
                let patterns = checked(&list, fits, "no slug with `*` in it")?;
                self.slugs.extend(patterns.into_iter().map(Pattern));
            }
            "tokens" => {
                let tokens: Result<Vec<TokenId>, _> = list.iter().map(|id| TokenId::try_from(*id)).collect();
                self.tokens.extend(tokens.map_err(|odd| odd.to_string())?);
            }
            _ => return Err(FORMS.to_owned()),
        }
        Ok(())
    }

    /// `N` of `top:N`.
    pub(crate) const fn top(&self) -> Option<usize> {
        self.top
    }

    /// Names to be looked up: condition ids and slugs.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Tokens whose markets are to be looked up.
    pub(crate) fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Whether open markets have to be paged through.
    pub(crate) fn needs_pages(&self) -> bool {
        self.top.is_some() || self.needs_all_pages()
    }

    /// Whether all of them have to: what is wanted may stand on the last page.
    pub(crate) fn needs_all_pages(&self) -> bool {
        self.all || !self.series.is_empty() || !self.slugs.is_empty()
    }

    /// Whether a market is named, whatever its rank.
    pub(crate) fn picks(&self, market: &Market) -> bool {
        let in_series = |series: &str| self.series.iter().any(|wanted| wanted == series);
        self.all
            || self.slugs.iter().any(|pattern| pattern.fits(&market.slug))
            || market.series_slug.as_deref().is_some_and(in_series)
            || self.named.contains(market.condition_id.as_str())
            || self.named.contains(&market.slug)
            || market.tokens.iter().any(|named| self.named.contains(named.token_id.as_str()))
    }

    /// Whether a market that was just announced may be picked once the catalogue knows its series.
    pub(crate) fn may_pick(&self, market: &Market) -> bool {
        self.picks(market) || !self.series.is_empty()
    }
}

impl std::fmt::Display for UniverseSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&chassis::logline::sanitize(&self.text, SHOWN_MAX))
    }
}

// === impl Pattern ===

impl Pattern {
    fn fits(&self, slug: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return slug == self.0 };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let between = slug.strip_prefix(first).and_then(|slug| slug.strip_suffix(last));
        let Some(mut between) = between else { return false };
        middle.split('*').all(|part| {
            let at = between.find(part);
            between = at.map_or(between, |at| &between[at + part.len()..]);
            at.is_some()
        })
    }
}

fn checked(list: &[&str], is_right: impl Fn(&str) -> bool, what: &str) -> Result<Vec<String>, String> {
    match list.iter().find(|name| !is_right(name)) {
        Some(odd) => Err(format!("`{}` is {what}", chassis::logline::sanitize(odd, SHOWN_MAX))),
        None => Ok(list.iter().map(|name| (*name).to_owned()).collect()),
    }
}

fn is_slug(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= SLUG_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use contract::time::Timestamp;

    use super::*;

    fn market(slug: &str, series: Option<&str>) -> Market {
        let unknown = Market::unknown(ConditionId::try_from("0xab").unwrap(), Timestamp::from_micros(0));
        Market { slug: slug.to_owned(), series_slug: series.map(str::to_owned), ..unknown }
    }

    #[test]
    fn every_form_is_read_alone_and_joined() {
        for text in
            ["top:1", "all", "markets: a-b, 0xab", "tokens:71,72", "series:btc-up-or-down-5m", "slug:a-*"]
        {
            assert_eq!(UniverseSelector::of_text(text).unwrap().to_string(), text);
        }
        assert_eq!(UniverseSelector::of_text("top:150"), Ok(UniverseSelector::busiest(150)));
        let choice = UniverseSelector::of_text("top:150 + series:s + slug:btc-*,eth-*").unwrap();
        assert_eq!(choice.top(), Some(150));
        assert!(choice.picks(&market("eth-1", None)) && choice.picks(&market("x", Some("s"))));
        assert!(!choice.picks(&market("xrp-1", Some("t"))) && choice.may_pick(&market("xrp-1", None)));
        assert!(choice.needs_all_pages() && !UniverseSelector::of_text("top:5").unwrap().needs_all_pages());
        assert!(!UniverseSelector::of_text("markets:a").unwrap().needs_pages());
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "top",
            "top:0",
            "top:100001",
            "top:x",
            "top:1,2",
            "top:1+top:2",
            "markets:",
            "markets:a b",
            "tokens:",
            "tokens:x",
            "some:1",
            "all+",
            "+all",
            "series:",
            "series:a*",
            "slug:",
            "slug:*",
            "slug:a b",
        ] {
            assert!(UniverseSelector::of_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_any_part() {
        let fits = |pattern: &str, slug: &str| Pattern(pattern.to_owned()).fits(slug);
        assert!(fits("btc-updown-5m-*", "btc-updown-5m-1790000000") && fits("btc-*", "btc-"));
        assert!(fits("*-5m-*", "btc-updown-5m-17") && fits("*-5m", "a-5m-b-5m") && fits("a*b*c", "abc"));
        assert!(fits("whole", "whole") && !fits("whole", "whole-1") && !fits("btc-*", "eth-btc-1"));
        assert!(
            !fits("a*b", "a-b-c") && !fits("ab*b", "ab") && fits("ab*b", "abb") && fits("a*a-a", "a-a-a")
        );
    }
}
