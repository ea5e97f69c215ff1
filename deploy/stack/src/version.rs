//! Versions as programs print them.
//!
//! Knows: the shapes `2.15.1`, `v2.15.1` and `18.6`. Never: where a program lies.

use std::fmt;

/// A version of two or three numbers; a missing third is 0.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number; 0 for a bare `18beta1`.
    pub minor: u32,
    /// Third number; 0 where there is none.
    pub patch: u32,
}

impl Version {
    /// A version from its three numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// The first version in what a program printed for `--version`.
    ///
    /// Understands `nats-server: v2.15.1`, `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`
    /// and `PostgreSQL 17beta2`. `None` if no word starts with a digit (or `v` and a digit).
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || c == '(' || c == ')').find_map(Self::of_word)
    }

    fn of_word(word: &str) -> Option<Self> {
        let word = word.strip_prefix('v').unwrap_or(word);
        let mut numbers = word.split('.').map(leading_number);
        let major = numbers.next().flatten()?;
        let minor = numbers.next().flatten().unwrap_or(0);
        let patch = numbers.next().flatten().unwrap_or(0);
        Some(Self { major, minor, patch })
    }
}

fn leading_number(part: &str) -> Option<u32> {
    let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
    part[..end].parse().ok()
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        assert_eq!(Version::find("nats-server: v2.15.1\n"), Some(Version::new(2, 15, 1)));
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)";
        assert_eq!(Version::find(debian), Some(Version::new(15, 18, 0)));
        assert_eq!(Version::find("postgres (PostgreSQL) 17beta2"), Some(Version::new(17, 0, 0)));
        assert_eq!(Version::find("nats-server: v2.11.0-RC.1"), Some(Version::new(2, 11, 0)));
        assert_eq!(Version::find("no such thing"), None);
        assert_eq!(Version::find("version"), None);
        assert_eq!(Version::find(""), None);
    }

    #[test]
    fn order_is_by_number_and_not_by_text() {
        assert!(Version::new(2, 9, 10) < Version::new(2, 10, 0));
        assert!(Version::new(18, 6, 0) > Version::new(16, 0, 0));
        assert_eq!(Version::new(2, 15, 1).to_string(), "2.15.1");
    }
}
