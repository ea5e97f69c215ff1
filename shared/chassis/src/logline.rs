//! Foreign text made safe to show in a log line or a message.
//!
//! Knows: which characters lie to a reader. Never: where the text came from.

use std::error::Error;
use std::fmt::Write;

/// `text` with every control, escape, invisible and direction-changing character written as an escape,
/// cut to at most `max` characters, with `…` behind where something was cut.
pub fn sanitize(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max));
    let mut length = 0;
    for letter in text.chars() {
        let mut piece = String::new();
        if is_deceptive(letter) {
            write!(piece, "{}", letter.escape_default()).expect("writing to a String cannot fail");
        } else {
            piece.push(letter);
        }
        length += piece.chars().count();
        if length > max {
            line.push('…');
            break;
        }
        line.push_str(&piece);
    }
    line
}

/// An error and everything that caused it, outermost first, joined by `: `.
///
/// A cause that its parent's text already ends with is left out: some libraries print their source themselves.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = inner.source();
    }
    line
}

/// `text` with the user and password of every address in it (`scheme://user:password@host`) written as `***`.
pub fn without_passwords(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        line.push_str(before);
        let end = after.find(|letter: char| letter == '/' || letter.is_whitespace()).unwrap_or(after.len());
        let (authority, behind) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                line.push_str("***@");
                line.push_str(host);
            }
            None => line.push_str(authority),
        }
        rest = behind;
    }
    line.push_str(rest);
    line
}

fn is_deceptive(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not open the door")]
    struct Outer(#[source] Echo);

    #[derive(Debug, thiserror::Error)]
    #[error("lock: {0}")]
    struct Echo(#[source] std::io::Error);

    #[test]
    fn ordinary_text_is_unchanged() {
        assert_eq!(sanitize("Will it rain? 50 % – сегодня", 100), "Will it rain? 50 % – сегодня");
    }

    #[test]
    fn line_breaks_ansi_and_direction_overrides_are_escaped() {
        assert_eq!(sanitize("a\nb", 100), "a\\nb");
        assert_eq!(sanitize("\u{1b}[31mred", 100), "\\u{1b}[31mred");
        assert_eq!(sanitize("\u{202e}txt\u{2066}", 100), "\\u{202e}txt\\u{2066}");
        assert_eq!(sanitize("\u{9b}31m", 100), "\\u{9b}31m");
    }

    #[test]
    fn text_at_the_limit_is_whole_and_one_more_is_cut() {
        assert_eq!(sanitize("abcde", 5), "abcde");
        assert_eq!(sanitize("abcdef", 5), "abcde…");
    }

    #[test]
    fn an_escape_is_never_cut_in_two() {
        assert_eq!(sanitize("abcd\n", 5), "abcd…");
    }

    #[test]
    fn a_chain_names_every_cause_once() {
        let error = Outer(Echo(std::io::Error::other("it is jammed")));
        assert_eq!(error_chain(&error), "could not open the door: lock: it is jammed");
    }

    #[test]
    fn an_address_loses_its_user_and_password_and_keeps_its_host() {
        assert_eq!(without_passwords("nats://u:p@ss@h:4222/x, pg://h/db"), "nats://***@h:4222/x, pg://h/db");
        assert_eq!(without_passwords("no address a@b"), "no address a@b");
        assert_eq!(without_passwords("pg://u:p@h and pg://u:q@i"), "pg://***@h and pg://***@i");
    }
}
