//! Which part of the catalogue is followed: `FEED_UNIVERSE`.
//!
//! Knows: the four forms. Never: a market.

use contract::ids::{ConditionId, TokenId};

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
