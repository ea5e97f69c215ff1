//! A hash as the venue writes it.
//!
//! Knows: SHA-1 and hexadecimal digits. Never: what is hashed.

use sha1::{Digest, Sha1};

use crate::units::push_hex;

/// SHA-1 of a book, shown as 40 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Hash([u8; 20]);

impl Hash {
    /// The hash of a text.
    pub(crate) fn of(text: &str) -> Self {
        Self(Sha1::digest(text.as_bytes()).into())
    }

    pub(crate) fn push(self, out: &mut String) {
        push_hex(out, &self.0);
    }

    pub(crate) fn text(self) -> String {
        let mut text = String::with_capacity(40);
        self.push(&mut text);
        text
    }
}
