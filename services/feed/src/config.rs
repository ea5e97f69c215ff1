//! The settings of the feed.
//!
//! Knows: names, units, defaults. Never: what happens with them.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use chassis::settings::{EarlyExit, Settings};
use chassis::{clock, instance};
use contract::stats::Service;
use polymarket::rest::{DataVersion, RestConfig};

use crate::shard::Shard;
use crate::universe::selector::UniverseSelector;

/// Markets followed by default.
const MARKETS: usize = 150;

/// All settings of the feed.
#[derive(Debug)]
pub struct Config {
    /// Sub-command `healthcheck`: only ask a running feed whether it is ready.
    pub healthcheck: bool,
    /// `INSTANCE`: name of this process in stats and logs.
    pub instance: String,
    /// The bus.
    pub bus: bus::Config,
    /// The venue's REST: the catalogue, the trades of gaps, the clock.
    pub rest: RestConfig,
    /// `FEED_UNIVERSE`: the markets to follow.
    pub universe: UniverseSelector,
    /// `FEED_SHARD`: our part of them.
    pub shard: Shard,
    /// `FEED_TOKENS_PER_SOCKET`, default 200: above about 500 opening books silently do not come.
    pub tokens_per_socket: usize,
    /// `FEED_SOCKETS_MAX`, default 50.
    pub sockets_max: usize,
    /// `FEED_CONNECTS_PER_S`, default 10: many at once are answered with 429.
    pub connects_per_s: u32,
    /// `GATE_TRADE_AGE_MAX_S`, default 300: an older trade says nothing of the price before the next one.
    pub trade_age_max: Duration,
    /// `FEED_SETTLEMENT_S`, default 60: longest time from a match to its row at the Data API.
    pub settlement: Duration,
    /// `FEED_BOOK_EVERY_S`, default 300: books that changed are published this often, beside the venue's own; 0 never.
    pub book_every: Duration,
    /// `FEED_HASH_LEVELS_PER_S`, default 500,000: levels of books hashed in a second, about a tenth of a core.
    pub hash_levels_per_s: u32,
    /// How a socket behaves.
    pub sockets: Sockets,
    /// `FEED_BUFFER_MB`, default 64: ticks that wait while the bus is away.
    pub buffer_bytes: usize,
    /// `ADMIN_ADDR`, default 127.0.0.1:9101.
    pub admin: SocketAddr,
}

/// How a socket behaves.
#[derive(Clone, Debug)]
pub struct Sockets {
    /// `POLYMARKET_WS_URL`: the market channel.
    pub url: String,
    /// `FEED_PING_S`, default 10.
    pub ping_every: Duration,
    /// `FEED_SILENCE_MAX_S`, default 30: a socket without data for this long is replaced.
    pub silence_max: Duration,
    /// `FEED_RECONNECT_MIN_S`, default 1.
    pub reconnect_min: Duration,
    /// `FEED_RECONNECT_MAX_S`, default 60.
    pub reconnect_max: Duration,
}

impl Config {
    /// Reads all settings.
    ///
    /// # Errors
    /// When help was asked for, or a setting is faulty: all faults at once.
    pub fn read(mut vars: Settings) -> Result<Self, EarlyExit> {
        let command =
            vars.command(&[("healthcheck", "Asks the feed at ADMIN_ADDR whether it is ready; exit 0 or 1.")]);
        let universe = vars.parsed(
            "FEED_UNIVERSE",
            "top:150",
            "top:N | all | markets:<slug or condition id>,… | tokens:<id>,… | series:<slug>,… | slug:<pattern with *>,…; joined by +",
            "markets to follow; top: by volume of the last 24 hours",
            UniverseSelector::of_text,
        );
        let shard =
            vars.parsed("FEED_SHARD", "0/1", "n/of", "our part of the markets, by hash", Shard::of_text);
        let per_socket =
            vars.integer("FEED_TOKENS_PER_SOCKET", 200, 2..=700, "tokens", "tokens on one socket");
        let sockets_max = vars.integer("FEED_SOCKETS_MAX", 50, 1..=1_000, "sockets", "sockets of this feed");
        let connects =
            vars.integer("FEED_CONNECTS_PER_S", 10, 1..=1_000, "sockets/s", "sockets opened in a second");
        let hashed = vars.integer(
            "FEED_HASH_LEVELS_PER_S",
            500_000,
            0..=1_000_000_000,
            "levels/s",
            "levels of books verified against the venue's hash",
        );
        let buffer = vars.integer("FEED_BUFFER_MB", 64, 1..=4_096, "MB", "ticks kept while the bus is away");
        let sockets = Sockets::read(&mut vars);
        let instance = instance::name("feed");
        let config = Self {
            healthcheck: command.is_some(),
            bus: bus::Config::read(&mut vars, Service::Feed, &instance),
            rest: rest(&mut vars),
            instance,
            universe: universe.unwrap_or_else(|| UniverseSelector::busiest(MARKETS)),
            shard: shard.unwrap_or(Shard { number: 0, of: 1 }),
            tokens_per_socket: usize::try_from(per_socket).unwrap_or(usize::MAX),
            sockets_max: usize::try_from(sockets_max).unwrap_or(usize::MAX),
            connects_per_s: u32::try_from(connects).unwrap_or(u32::MAX),
            trade_age_max: vars.seconds(
                "GATE_TRADE_AGE_MAX_S",
                300,
                1..=86_400,
                "G1, as the processors have it: an older trade is not the price before the next one",
            ),
            settlement: vars.seconds(
                "FEED_SETTLEMENT_S",
                60,
                1..=3_600,
                "longest time from a match to its row at the Data API",
            ),
            book_every: vars.seconds(
                "FEED_BOOK_EVERY_S",
                300,
                0..=86_400,
                "rebuilt books that changed are published this often; 0 never",
            ),
            hash_levels_per_s: u32::try_from(hashed).unwrap_or(u32::MAX),
            sockets,
            buffer_bytes: usize::try_from(buffer << 20).unwrap_or(usize::MAX),
            admin: vars.address("ADMIN_ADDR", "127.0.0.1:9101", "health and metrics; port 0 picks one"),
        };
        vars.finish().map(|()| config)
    }
}

/// The processor asks by the same variables; the catalogue is the feed's alone.
fn rest(vars: &mut Settings) -> RestConfig {
    let venue = RestConfig::of_venue(|| clock::now().into());
    let versions = [("v1", DataVersion::V1), ("v2", DataVersion::V2)];
    let rate = vars.integer("REST_RATE_PER_S", 10, 1..=1_000, "calls/s", "calls to the venue's REST");
    let rate = u32::try_from(rate).ok().and_then(NonZeroU32::new);
    let config = RestConfig {
        clob_url: vars.text("POLYMARKET_CLOB_URL", &venue.clob_url, "the venue's clock"),
        gamma_url: vars.text("POLYMARKET_GAMMA_URL", &venue.gamma_url, "the venue's catalogue of markets"),
        data_url: vars.text("POLYMARKET_DATA_URL", &venue.data_url, "the venue's trades, for those of gaps"),
        data_version: vars.choice("POLYMARKET_DATA_VERSION", "v2", &versions, "form of the venue's trades"),
        timeout: vars.seconds("REST_TIMEOUT_S", 5, 1..=60, "longest time of one call"),
        rate_per_s: rate.unwrap_or(venue.rate_per_s),
        ..venue
    };
    let urls = [
        ("POLYMARKET_CLOB_URL", &config.clob_url),
        ("POLYMARKET_GAMMA_URL", &config.gamma_url),
        ("POLYMARKET_DATA_URL", &config.data_url),
    ];
    for (name, url) in urls {
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            vars.fault(name, "wants an address that starts with http:// or https://");
        }
    }
    config
}

impl Sockets {
    fn read(vars: &mut Settings) -> Self {
        let url = "wss://ws-subscriptions-clob.polymarket.com/ws/market";
        let sockets = Self {
            url: vars.text("POLYMARKET_WS_URL", url, "the venue's market channel"),
            ping_every: vars.seconds("FEED_PING_S", 10, 1..=25, "text PING on every socket"),
            silence_max: vars.seconds(
                "FEED_SILENCE_MAX_S",
                30,
                2..=3_600,
                "a socket without data for this long is replaced",
            ),
            reconnect_min: vars.seconds(
                "FEED_RECONNECT_MIN_S",
                1,
                1..=600,
                "first pause before a reconnection; it doubles",
            ),
            reconnect_max: vars.seconds(
                "FEED_RECONNECT_MAX_S",
                60,
                1..=3_600,
                "longest pause before a reconnection",
            ),
        };
        if !(sockets.url.starts_with("ws://") || sockets.url.starts_with("wss://")) {
            vars.fault("POLYMARKET_WS_URL", "wants an address that starts with ws:// or wss://");
        }
        if sockets.reconnect_min > sockets.reconnect_max {
            vars.fault("FEED_RECONNECT_MIN_S", "must not be above FEED_RECONNECT_MAX_S");
        }
        sockets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(map: &[(&str, &str)]) -> Result<Config, EarlyExit> {
        Config::read(Settings::of_map("feed", "…", map.iter().copied(), &[]))
    }

    #[test]
    fn without_settings_the_defaults_of_the_contract_hold() {
        let config = read(&[]).unwrap();
        assert_eq!(
            (config.universe, config.shard),
            (UniverseSelector::busiest(150), Shard { number: 0, of: 1 })
        );
        assert_eq!((config.tokens_per_socket, config.sockets_max), (200, 50));
        let times = [config.sockets.ping_every, config.sockets.silence_max, config.sockets.reconnect_min];
        assert_eq!(times.map(|time| time.as_secs()), [10, 30, 1]);
        assert_eq!(config.sockets.reconnect_max.as_secs(), 60);
        assert_eq!((config.connects_per_s, config.hash_levels_per_s), (10, 500_000));
        assert_eq!((config.settlement.as_secs(), config.book_every.as_secs()), (60, 300));
        assert_eq!(config.rest.data_version, DataVersion::V2);
    }

    #[test]
    fn all_faults_are_told_in_one_run() {
        let faults = read(&[
            ("FEED_UNIVERSE", "best:5"),
            ("FEED_SHARD", "4/4"),
            ("POLYMARKET_WS_URL", "http://x"),
            ("FEED_RECONNECT_MIN_S", "90"),
            ("FEED_SILENCE_MAX_S", "1"),
        ]);
        let Err(EarlyExit::Faults(faults)) = faults else { panic!("{faults:?}") };
        assert_eq!(faults.len(), 5, "{faults:?}");
    }
}
