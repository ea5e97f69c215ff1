//! The settings of the dashboard.
//!
//! Knows: names, shapes, defaults. Never: what happens with them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use chassis::instance;
use chassis::settings::{EarlyExit, Secret, Settings};
use contract::stats::Service;
use store::Reader;

use crate::hosts::Hosts;
use crate::http::{CLIENTS_MAX, CONNECTIONS_MAX};

/// A token shorter than this is guessed sooner or later.
const TOKEN_LENGTH_MIN: usize = 16;
/// Different characters of a token: `changemechangeme` has seven and is no secret.
const TOKEN_CHARACTERS_MIN: usize = 8;
/// A token longer than this is a mistake.
const TOKEN_LENGTH_MAX: usize = 200;

/// Everything the dashboard is told.
#[derive(Debug)]
pub struct Config {
    /// Sub-command `healthcheck`: only ask a running dashboard whether it is ready.
    pub healthcheck: bool,
    /// `INSTANCE`: name of this process in stats and logs.
    pub instance: String,
    /// The bus.
    pub bus: bus::Config,
    /// `BUS_DURABILITY`, `standard` or `strict`: the mode the bus was set up with, as it is shown.
    pub durability: &'static str,
    /// `DATABASE_URL`: the login that reads. Required.
    pub database: Secret,
    /// `DASHBOARD_ADDR`, default 127.0.0.1:8080.
    pub address: SocketAddr,
    /// `DASHBOARD_TOKEN`: what a visitor must know; everybody may come in where it is not set.
    pub token: Option<Secret>,
    /// `DASHBOARD_HOSTS`: names that it answers to beside its own address and loopback.
    pub hosts: Hosts,
    /// `DASHBOARD_CONNECTIONS_PER_ADDRESS`: connections that one address may hold of the 512 that there are. Default 128.
    pub connections_per_address: usize,
    /// `DASHBOARD_STREAMS_PER_ADDRESS`: live streams that one address may hold of the 200 that there are. Default 50.
    pub streams_per_address: usize,
}

// === impl Config ===

impl Config {
    /// Reads all settings.
    ///
    /// # Errors
    /// When help was asked for, or a setting is faulty: all faults at once.
    pub fn read(mut vars: Settings) -> Result<Self, EarlyExit> {
        let help = "Asks the dashboard at DASHBOARD_ADDR whether it is ready; exit 0 or 1.";
        let healthcheck = vars.command(&[("healthcheck", help)]).is_some();
        let instance = instance::name("dashboard");
        let bus = bus::Config::read(&mut vars, Service::Dashboard, &instance);
        let durabilities = [("standard", "standard"), ("strict", "strict")];
        let help = "How the bus was set up; shown, not changed.";
        let durability = vars.choice("BUS_DURABILITY", "standard", &durabilities, help);
        let database = database(&mut vars, healthcheck);
        let help = "Where the page, the JSON and the live stream are served.";
        let address = vars.address("DASHBOARD_ADDR", "127.0.0.1:8080", help);
        let token = token(&mut vars);
        let shape = "names or addresses without ports, joined by commas; * for any";
        let help = "Names that the dashboard answers to beside loopback: others are refused with 421.";
        let parse = |text: &str| Hosts::parse(text, address.ip());
        let hosts = vars.parsed("DASHBOARD_HOSTS", "localhost", shape, help, parse).unwrap_or_default();
        let choices = [("true", true), ("false", false)];
        let help = "Whether an address that others can reach may be open to everybody, without a token.";
        let is_open = vars.choice("DASHBOARD_OPEN", "false", &choices, help);
        if !address.ip().is_loopback() && token.is_none() && !is_open && !healthcheck {
            let why =
                "can be reached by others: set DASHBOARD_TOKEN, or DASHBOARD_OPEN=true if everybody may look";
            vars.fault("DASHBOARD_ADDR", why);
        }
        let help = "Connections that one address may hold; 429 beyond. Behind a proxy all visitors have one address.";
        let connections_per_address =
            share(&mut vars, "DASHBOARD_CONNECTIONS_PER_ADDRESS", 128, CONNECTIONS_MAX, help);
        let help = "Live streams that one address may hold; 429 beyond.";
        let streams_per_address = share(&mut vars, "DASHBOARD_STREAMS_PER_ADDRESS", 50, CLIENTS_MAX, help);
        vars.finish()?;
        Ok(Self {
            healthcheck,
            instance,
            bus,
            durability,
            database,
            address,
            token,
            hosts,
            connections_per_address,
            streams_per_address,
        })
    }
}

fn share(vars: &mut Settings, name: &'static str, usual: u64, all: usize, help: &'static str) -> usize {
    let most = u64::try_from(all).unwrap_or(u64::MAX);
    usize::try_from(vars.integer(name, usual, 1..=most, "", help)).unwrap_or(all)
}

fn database(vars: &mut Settings, healthcheck: bool) -> Secret {
    let help = "Address of the database, with the login that reads.";
    if healthcheck {
        return vars.secret("DATABASE_URL", help).unwrap_or_default();
    }
    let url = vars.required_secret("DATABASE_URL", help);
    // Its text is not shown: it holds a password. A missing one is told already.
    if !url.expose().is_empty() && Reader::connect(url.expose()).is_err() {
        vars.fault("DATABASE_URL", "must be an address such as postgres://user:password@host:5432/database");
    }
    url
}

fn token(vars: &mut Settings) -> Option<Secret> {
    let help = "What a visitor must know; without it everybody may come in.";
    let token = vars.secret("DASHBOARD_TOKEN", help)?;
    let length = token.expose().len();
    let is_usable = (TOKEN_LENGTH_MIN..=TOKEN_LENGTH_MAX).contains(&length)
        && token.expose().bytes().all(|byte| byte.is_ascii_graphic())
        && token.expose().bytes().collect::<BTreeSet<_>>().len() >= TOKEN_CHARACTERS_MIN;
    if !is_usable {
        let shape = format!(
            "{TOKEN_LENGTH_MIN} to {TOKEN_LENGTH_MAX} visible ASCII characters, {TOKEN_CHARACTERS_MIN} different ones"
        );
        vars.fault("DASHBOARD_TOKEN", format!("must be {shape}"));
    }
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: (&str, &str) = ("DATABASE_URL", "postgres://reader:hunter2@127.0.0.1/polyfeed");

    fn read(map: &[(&str, &str)], arguments: &[&str]) -> Result<Config, EarlyExit> {
        Config::read(Settings::of_map("dashboard", "…", map.iter().copied(), arguments))
    }

    #[test]
    fn with_a_database_the_defaults_of_the_contract_hold() {
        let config = read(&[DATABASE], &[]).unwrap();
        assert_eq!(config.address.to_string(), "127.0.0.1:8080");
        assert_eq!((config.durability, config.healthcheck), ("standard", false));
        assert!(config.token.is_none());
        assert_eq!((config.connections_per_address, config.streams_per_address), (128, 50));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn all_faults_are_told_in_one_run_and_no_secret_with_them() {
        let faults = read(
            &[
                ("DATABASE_URL", "nonsense-hunter2"),
                ("DASHBOARD_ADDR", "8080"),
                ("DASHBOARD_TOKEN", "hunter2"),
                ("BUS_DURABILITY", "maybe"),
                ("DASHBOARD_STREAMS_PER_ADDRESS", "0"),
                ("DASHBOARD_CONNECTIONS_PER_ADDRESS", "513"),
            ],
            &[],
        );
        let Err(EarlyExit::Faults(faults)) = faults else { panic!("{faults:?}") };
        assert_eq!(faults.len(), 6, "{faults:?}");
        assert!(!format!("{faults:?}").contains("hunter2"));
    }

    #[test]
    fn a_token_of_sixteen_visible_characters_is_long_enough_and_a_well_known_one_is_not() {
        let token =
            |token: &str| read(&[DATABASE, ("DASHBOARD_TOKEN", token)], &[]).map(|config| config.token);
        assert!(token("1234567890abcdef").is_ok_and(|token| token.is_some()));
        for weak in
            ["1234567890abcde", "changeme", "1234567890 bcdef", "changemechangeme", "aaaaaaaaaaaaaaaaaaaaaa"]
        {
            assert!(token(weak).is_err(), "{weak}");
        }
        let (longest, too_long) = ("12345678".repeat(25), "12345678".repeat(26));
        assert!(token(&longest).is_ok());
        assert!(token(&too_long).is_err());
    }

    #[test]
    fn an_address_that_others_reach_wants_a_token_or_to_be_open_on_purpose() {
        let at = |more: &[(&str, &str)]| {
            let map = [&[DATABASE, ("DASHBOARD_ADDR", "0.0.0.0:8080")], more].concat();
            read(&map, &[]).map(drop).map_err(|stop| stop.to_string())
        };
        assert!(at(&[]).unwrap_err().contains("DASHBOARD_OPEN=true"));
        assert_eq!(at(&[("DASHBOARD_OPEN", "true")]), Ok(()));
        assert_eq!(at(&[("DASHBOARD_TOKEN", "1234567890abcdef")]), Ok(()));
        assert!(at(&[("DASHBOARD_OPEN", "maybe")]).is_err());
        assert!(at(&[("DASHBOARD_OPEN", "true"), ("DASHBOARD_HOSTS", "bots.example:8080")]).is_err());
    }

    #[test]
    fn a_health_check_needs_no_database() {
        assert!(read(&[], &["healthcheck"]).unwrap().healthcheck);
        assert!(read(&[], &[]).is_err());
    }
}
