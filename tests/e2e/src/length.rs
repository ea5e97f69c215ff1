//! How long the long tests are: short by default, at full length before a release.
//!
//! Knows: `./just test --long`. Never: what a test does in that time.

/// The first by default, the second where every test runs at its full length (`./just test --long`).
pub fn by_length<T>(short: T, long: T) -> T {
    let is_long = std::env::var_os("POLYFEED_TESTS").is_some_and(|length| length == "long");
    if is_long { long } else { short }
}
