//! The shape of an instance's name.
//!
//! Knows: which characters and how many. Never: where a name comes from.

/// Longest name, in characters: it becomes part of a bus subject and of every log line.
pub const LENGTH_MAX: usize = 32;

/// Whether `name` has the shape `^[a-z0-9-]{1,32}$`.
pub fn is_usable(name: &str) -> bool {
    (1..=LENGTH_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_characters_are_usable_and_thirty_three_are_not() {
        assert!(is_usable(&"a".repeat(32)));
        assert!(!is_usable(&"a".repeat(33)));
        assert!(!is_usable(""));
        assert!(!is_usable("Feed"));
        assert!(!is_usable("feed.1"));
    }
}
