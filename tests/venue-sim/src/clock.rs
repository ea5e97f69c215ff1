//! The clock of this machine and the venue's way to write a moment.
//!
//! Knows: milliseconds since the epoch. Never: a time zone, a market.

use std::time::{SystemTime, UNIX_EPOCH};

const MS_PER_DAY: u64 = 86_400_000;

/// Now, in ms since the epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A moment as the venue's REST writes it: `2026-12-31T12:00:00Z`.
pub(crate) fn iso(ms: u64) -> String {
    let (year, month, day) = civil(ms / MS_PER_DAY);
    let second = ms % MS_PER_DAY / 1000;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// A moment as HTTP writes it: `Wed, 21 Oct 2026 07:28:00 GMT`.
pub(crate) fn http_date(ms: u64) -> String {
    // The epoch began on a Thursday.
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = ms / MS_PER_DAY;
    let (year, month, day) = civil(days);
    let second = ms % MS_PER_DAY / 1000;
    let named = |names: &[&'static str], at: u64| names[usize::try_from(at).unwrap_or(0) % names.len()];
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        named(&DAYS, days % 7),
        named(&MONTHS, month - 1),
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a day counted from the epoch (Howard Hinnant's `civil_from_days`, after 1970 only).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_http_has_the_day_of_the_week() {
        assert_eq!(http_date(1_792_567_680_000), "Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(http_date(951_782_400_999), "Tue, 29 Feb 2000 00:00:00 GMT");
    }

    #[test]
    fn moments_are_written_as_iso_8601_in_utc() {
        let known = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_798_718_400_000, "2026-12-31T12:00:00Z"),
        ];
        for (ms, text) in known {
            assert_eq!(iso(ms), text);
        }
    }
}
