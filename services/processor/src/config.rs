//! The settings of the processor.
//!
//! Knows: names, units, ranges, defaults. Never: what happens with them.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use chassis::settings::{EarlyExit, Settings};
use chassis::{clock, instance};
use contract::money::Price;
use contract::stats::Service;
use gates::limits::Limits;
use polymarket::rest::{DataVersion, RestConfig};
use rust_decimal::Decimal;

/// Everything the processor is told.
#[derive(Debug)]
pub struct Config {
    /// Sub-command `healthcheck`: only ask a running processor whether it is ready.
    pub healthcheck: bool,
    /// `INSTANCE`: name of this process in stats and logs.
    pub instance: String,
    /// The bus.
    pub bus: bus::Config,
    /// Where the venue answers questions.
    pub rest: RestConfig,
    /// The limits of the gates.
    pub limits: Limits,
    /// `ADMIN_ADDR`, default 127.0.0.1:9102.
    pub admin: SocketAddr,
}

impl Config {
    /// Reads all settings.
    ///
    /// # Errors
    /// When help was asked for, or a setting is faulty: all faults at once.
    pub fn read(mut vars: Settings) -> Result<Self, EarlyExit> {
        let help = "Asks the processor at ADMIN_ADDR whether it is ready; exit 0 or 1.";
        let command = vars.command(&[("healthcheck", help)]);
        let instance = instance::name("processor");
        let config = Self {
            healthcheck: command.is_some(),
            bus: bus::Config::read(&mut vars, Service::Processor, &instance),
            instance,
            rest: questions(&mut vars),
            limits: limits(&mut vars),
            admin: vars.address("ADMIN_ADDR", "127.0.0.1:9102", "health and metrics; port 0 picks one"),
        };
        vars.finish().map(|()| config)
    }
}

/// The processor asks for books and trades; the catalogue and the sockets are the feed's.
fn questions(vars: &mut Settings) -> RestConfig {
    let venue = RestConfig::of_venue(|| clock::now().into());
    vars.elsewhere(&["POLYMARKET_GAMMA_URL", "POLYMARKET_WS_URL"]);
    let versions = [("v1", DataVersion::V1), ("v2", DataVersion::V2)];
    let rate =
        vars.integer("REST_RATE_PER_S", 10, 1..=1_000, "calls/s", "calls to the venue, over all routes");
    let rate = u32::try_from(rate).ok().and_then(NonZeroU32::new);
    RestConfig {
        clob_url: url(vars, "POLYMARKET_CLOB_URL", &venue.clob_url, "the venue's books"),
        data_url: url(vars, "POLYMARKET_DATA_URL", &venue.data_url, "the venue's trades"),
        data_version: vars.choice("POLYMARKET_DATA_VERSION", "v2", &versions, "form of the venue's trades"),
        timeout: vars.seconds(
            "REST_TIMEOUT_S",
            5,
            1..=60,
            "longest wait for an answer, all attempts together",
        ),
        rate_per_s: rate.unwrap_or(venue.rate_per_s),
        ..venue
    }
}

fn url(vars: &mut Settings, name: &'static str, default: &str, help: &'static str) -> String {
    let url = vars.text(name, default, help);
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        vars.fault(name, "wants an address that starts with http:// or https://");
    }
    url
}

fn limits(vars: &mut Settings) -> Limits {
    let usual = Limits::default();
    Limits {
        trade_age_max: vars.seconds("GATE_TRADE_AGE_MAX_S", 300, 1..=86_400, "G1: oldest trade that passes"),
        clock_skew_max: vars.seconds(
            "GATE_CLOCK_SKEW_MAX_S",
            5,
            0..=3_600,
            "furthest future of a trade that passes",
        ),
        size_tolerance: dollars(
            vars,
            "GATE_SIZE_TOLERANCE",
            usual.size_tolerance,
            "G3: largest difference in price to the trade whose size is taken",
        ),
        size_age_max: vars.seconds(
            "GATE_SIZE_AGE_MAX_S",
            60,
            0..=3_600,
            "G3: largest difference in time to it",
        ),
        price_deviation_max: dollars(
            vars,
            "GATE_PRICE_DEVIATION_MAX",
            usual.price_deviation_max,
            "G5: largest distance to the book that passes",
        ),
        quote_age_max: vars.seconds(
            "GATE_QUOTE_AGE_MAX_S",
            60,
            0..=3_600,
            "G5: a stamped quote counts while younger",
        ),
    }
}

fn dollars(vars: &mut Settings, name: &'static str, default: Decimal, help: &'static str) -> Decimal {
    // A difference of two prices lies within the same range as a price.
    let chosen = vars.parsed(name, &default.to_string(), "USDC, 0 to 1", help, Price::of_text);
    chosen.map_or(default, Price::decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(map: &[(&str, &str)], arguments: &[&str]) -> Result<Config, EarlyExit> {
        Config::read(Settings::of_map("processor", "…", map.iter().copied(), arguments))
    }

    #[test]
    fn without_settings_the_defaults_of_the_contract_hold() {
        let config = read(&[], &[]).unwrap();
        assert_eq!(config.limits, Limits::default());
        assert_eq!((config.rest.rate_per_s.get(), config.rest.timeout.as_secs()), (10, 5));
        assert_eq!(config.rest.data_version, DataVersion::V2);
        assert_eq!(config.rest.data_url, "https://data-api.polymarket.com");
        assert_eq!(config.admin.to_string(), "127.0.0.1:9102");
        assert!(!config.healthcheck);
    }

    #[test]
    fn every_limit_can_be_set() {
        let config = read(
            &[
                ("GATE_TRADE_AGE_MAX_S", "10"),
                ("GATE_CLOCK_SKEW_MAX_S", "0.5"),
                ("GATE_SIZE_TOLERANCE", "0.02"),
                ("GATE_SIZE_AGE_MAX_S", "30"),
                ("GATE_PRICE_DEVIATION_MAX", "0"),
                ("GATE_QUOTE_AGE_MAX_S", "0"),
                ("POLYMARKET_DATA_VERSION", "v1"),
                ("POLYMARKET_CLOB_URL", "http://127.0.0.1:1/"),
            ],
            &["healthcheck"],
        );
        let config = config.unwrap();
        let limits = config.limits;
        assert_eq!((limits.trade_age_max.as_secs(), limits.clock_skew_max.as_millis()), (10, 500));
        assert_eq!((limits.size_tolerance, limits.price_deviation_max), (Decimal::new(2, 2), Decimal::ZERO));
        assert_eq!((limits.size_age_max.as_secs(), limits.quote_age_max.as_secs()), (30, 0));
        assert_eq!(config.rest.data_version, DataVersion::V1);
        assert!(config.healthcheck);
    }

    #[test]
    fn all_faults_are_told_in_one_run() {
        let faults = read(
            &[
                ("GATE_SIZE_TOLERANCE", "1.01"),
                ("GATE_PRICE_DEVIATION_MAX", "-0.1"),
                ("GATE_TRADE_AGE_MAX_S", "0"),
                ("POLYMARKET_DATA_URL", "ftp://x"),
                ("POLYMARKET_DATA_VERSION", "v3"),
                ("REST_TIMEOUT_S", "61"),
                ("ADMIN_ADDR", "here"),
            ],
            &[],
        );
        let Err(EarlyExit::Faults(faults)) = faults else { panic!("{faults:?}") };
        assert_eq!(faults.len(), 7, "{faults:?}");
    }

    #[test]
    fn settings_of_the_feed_may_stand_beside_ours() {
        let shared =
            [("POLYMARKET_GAMMA_URL", "http://x"), ("POLYMARKET_WS_URL", "ws://x"), ("FEED_PING_S", "10")];
        assert!(read(&shared, &[]).is_ok());
    }
}
