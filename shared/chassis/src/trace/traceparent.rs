//! The header `traceparent`: which trace a message belongs to, below which span, and whether anybody looks.
//!
//! Knows: the W3C text, version 00. Never: who decides what is looked at.

use std::fmt;

/// Length of the text: two digits of version, 32 of trace, 16 of span, two of flags, and three dashes.
const LENGTH: usize = 55;
/// The one flag: the trace is sampled.
const SAMPLED: u8 = 1;

/// The trace context of a message, as W3C writes it: `00-<trace>-<span>-01`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Traceparent {
    pub(super) trace: u128,
    pub(super) span: u64,
    flags: u8,
}

// === impl Traceparent ===

impl Traceparent {
    /// The context of what nobody looks at: its id is the trace, the first half of it the span.
    pub fn unsampled(id: [u8; 16]) -> Self {
        let trace = u128::from_be_bytes(id);
        let [high, ..] = halves(trace);
        Self { trace, span: high, flags: 0 }
    }

    pub(super) fn sampled(trace: u128, span: u64) -> Self {
        Self { trace, span, flags: SAMPLED }
    }

    /// Reads the header; none where it is not one of version 00 with lower hexadecimal digits, or names no trace.
    pub fn of_text(text: &str) -> Option<Self> {
        // One of these stands on every message: read in place, without a copy.
        let bytes = text.as_bytes();
        if bytes.len() != LENGTH || !bytes.starts_with(b"00-") || bytes[35] != b'-' || bytes[52] != b'-' {
            return None;
        }
        let (high, low) = (number(&bytes[3..19])?, number(&bytes[19..35])?);
        let read = Self {
            trace: u128::from(high) << 64 | u128::from(low),
            span: number(&bytes[36..52])?,
            flags: u8::try_from(number(&bytes[53..])?).ok()?,
        };
        (read.trace != 0 && read.span != 0).then_some(read)
    }

    /// Whether the spans of this trace are recorded.
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Written on every message: digit by digit, several times as fast as through `{:032x}`.
        let mut text = *b"00-________________________________-________________-00";
        write(&mut text[3..35], &self.trace.to_be_bytes());
        write(&mut text[36..52], &self.span.to_be_bytes());
        write(&mut text[53..], &[self.flags]);
        f.write_str(std::str::from_utf8(&text).expect("digits and dashes"))
    }
}

/// First and second half of a trace id.
#[expect(clippy::cast_possible_truncation, reason = "each half is what is wanted")]
pub(super) fn halves(trace: u128) -> [u64; 2] {
    [(trace >> 64) as u64, trace as u64]
}

/// Writes each byte as two lower hexadecimal digits.
fn write(text: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// The number behind at most 16 lower hexadecimal digits.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_standard_reads_and_writes_back() {
        let read = Traceparent::of_text(TEXT).unwrap();
        assert!(read.is_sampled());
        assert_eq!(read.to_string(), TEXT);
        let not_sampled = TEXT.replace("-01", "-00");
        assert!(!Traceparent::of_text(&not_sampled).unwrap().is_sampled());
        let more_flags = TEXT.replace("-01", "-03");
        assert!(Traceparent::of_text(&more_flags).unwrap().is_sampled());
    }

    #[test]
    fn what_is_no_context_is_none() {
        for text in [
            "",
            "00-ab-cd-00",
            &TEXT[1..],
            &format!("{TEXT}0"),
            &TEXT.replace("00-4", "01-4"),
            &TEXT.replace("4bf", "4BF"),
            &TEXT.replace("4bf", "+bf"),
            &TEXT.replace("4bf", "éf"),
            &TEXT.replace("-00f0", "0-0f0"),
            &format!("00-{:032}-00f067aa0ba902b7-01", 0),
            &format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016}-01", 0),
        ] {
            assert_eq!(Traceparent::of_text(text), None, "{text}");
        }
    }

    #[test]
    fn what_nobody_looks_at_is_named_by_its_id_alone() {
        let text = Traceparent::unsampled([0xab; 16]).to_string();
        assert_eq!(text, format!("00-{}-{}-00", "ab".repeat(16), "ab".repeat(8)));
    }
}
