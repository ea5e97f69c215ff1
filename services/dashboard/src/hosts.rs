//! The names that this dashboard answers to.
//!
//! Knows: loopback's own, the address it listens on, those it was told. Never: who asks.
//!
//! A page of another site may have its name lead to our address (DNS rebinding): the browser then sends it our answers.
//! It cannot make the browser say one of our names.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// The names, in small letters, without ports.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hosts {
    names: BTreeSet<String>,
    any: bool,
}

impl Hosts {
    /// Reads `DASHBOARD_HOSTS`; loopback and `listens_on`, where it is one address, are always among them.
    ///
    /// # Errors
    /// In words, when one is no name.
    pub fn parse(text: &str, listens_on: IpAddr) -> Result<Self, String> {
        let mut names: BTreeSet<String> =
            ["localhost", "127.0.0.1", "::1"].into_iter().map(str::to_owned).collect();
        if !listens_on.is_unspecified() {
            names.insert(listens_on.to_string());
        }
        let mut any = false;
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let bare = name.trim_start_matches('[').trim_end_matches(']');
            let is_name = bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            match name {
                "*" => any = true,
                _ if is_name || bare.parse::<IpAddr>().is_ok() => {
                    names.insert(bare.to_ascii_lowercase());
                }
                _ => return Err(format!("`{name}` is no name")),
            }
        }
        Ok(Self { names, any })
    }

    /// Whether a request with this `Host` is for us.
    pub(crate) fn are_meant(&self, host: &str) -> bool {
        self.any || self.has(host)
    }

    /// Whether this `Host` is a name of ours, and so fit to be repeated: where any is taken none is known to be ours.
    pub(crate) fn has(&self, host: &str) -> bool {
        self.names.contains(&without_port(host).to_ascii_lowercase())
    }
}

fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_the_own_address_and_the_names_told_are_meant_and_no_others() {
        let hosts = Hosts::parse("bots.example, Feed-1", "192.0.2.7".parse().unwrap()).unwrap();
        for ours in [
            "localhost:8080",
            "127.0.0.1",
            "[::1]:8080",
            "LOCALHOST",
            "192.0.2.7:8080",
            "bots.example:443",
            "feed-1",
        ] {
            assert!(hosts.are_meant(ours), "{ours}");
        }
        for other in
            ["evil.example", "bots.example.evil.example", "localhost.evil.example:8080", "", "192.0.2.8"]
        {
            assert!(!hosts.are_meant(other), "{other}");
        }
        let any = Hosts::parse("*", "0.0.0.0".parse().unwrap()).unwrap();
        assert!(any.are_meant("whatever") && !any.has("whatever") && any.has("localhost:8080"));
        assert!(!Hosts::parse("", "0.0.0.0".parse().unwrap()).unwrap().are_meant("0.0.0.0"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for odd in ["a b", "http://x", "x:8080", "x/y"] {
            assert!(Hosts::parse(odd, "127.0.0.1".parse().unwrap()).is_err(), "{odd}");
        }
    }
}
