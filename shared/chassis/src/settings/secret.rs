//! A value that must not be seen.
//!
//! Knows: how to keep text out of logs. Never: what it opens.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

/// Longest secret read from a file, in bytes: more than any credentials file, less than a mistake would cost.
const FILE_MAX_BYTES: u64 = 64 * 1024;

/// A password, token or address that holds one. Its `Debug` is `***` and it has no `Display`.
#[derive(Clone, Default)]
pub struct Secret(String);

// === impl Secret ===

impl Secret {
    /// Wraps a text that must not be seen.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `offered` is this secret, in a time that does not tell where the two differ.
    pub fn is(&self, offered: &str) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), offered.as_bytes());
        let difference = ours.iter().zip(theirs).fold(0, |sum, (a, b)| sum | (a ^ b));
        ours.len() == theirs.len() && std::hint::black_box(difference) == 0
    }

    /// The text of a file without the line break at its end.
    pub(super) fn of_file(path: &str) -> io::Result<String> {
        let mut text = String::new();
        let read = File::open(path)?.take(FILE_MAX_BYTES + 1).read_to_string(&mut text)?;
        if u64::try_from(read).is_ok_and(|read| read > FILE_MAX_BYTES) {
            return Err(io::Error::other(format!("more than {FILE_MAX_BYTES} bytes")));
        }
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
        Ok(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(***)");
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
    }

    #[test]
    fn only_the_same_text_is_the_secret() {
        let secret = Secret::new("hunter2");
        assert!(secret.is("hunter2"));
        for other in ["hunter3", "hunter", "hunter22", ""] {
            assert!(!secret.is(other), "{other}");
        }
    }

    #[test]
    fn a_file_at_the_limit_is_read_and_one_byte_more_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let path = path.to_str().unwrap();
        std::fs::write(path, "x".repeat(64 * 1024)).unwrap();
        assert_eq!(Secret::of_file(path).unwrap().len(), 64 * 1024);
        std::fs::write(path, "x".repeat(64 * 1024 + 1)).unwrap();
        assert_eq!(Secret::of_file(path).unwrap_err().to_string(), "more than 65536 bytes");
    }
}
