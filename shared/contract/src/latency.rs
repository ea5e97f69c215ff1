//! Buckets in which times are counted, the same in every service, so that counts add up.
//!
//! Knows: their ends, in milliseconds, signed. Never: what was measured.

/// Upper ends of the buckets, in milliseconds; one more bucket takes what is longer. Below 0: two clocks differ.
pub const BOUNDS_MS: [i64; 20] = [
    -1_000, -100, 0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000,
    120_000, 300_000,
];

/// How many buckets there are.
pub const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// The bucket of a time in microseconds.
pub fn bucket(micros: i64) -> usize {
    BOUNDS_MS.partition_point(|bound| bound.saturating_mul(1_000) < micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_in_the_bucket_whose_end_it_does_not_exceed() {
        assert_eq!(bucket(i64::MIN), 0);
        assert_eq!(bucket(-1_000_000), 0);
        assert_eq!(bucket(-999_999), 1);
        assert_eq!(bucket(0), 2);
        assert_eq!(bucket(1), 3);
        assert_eq!(bucket(1_000), 3);
        assert_eq!(bucket(300_000_000), BUCKETS - 2);
        assert_eq!(bucket(300_000_001), BUCKETS - 1);
    }
}
