//! How much of what there is for everybody one address holds.
//!
//! Knows: addresses and counts. Never: what is held.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What each address holds; a clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

/// One thing that an address holds, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Shares,
    who: IpAddr,
}

// === impl Shares ===

impl Shares {
    /// Each address may hold `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self { held: Arc::default(), most }
    }

    /// One more for this address; none where it holds its share.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Share> {
        let who = subscriber(address);
        let mut held = self.held();
        let count = held.get(&who).copied().unwrap_or(0);
        if count >= self.most {
            return None;
        }
        held.insert(who, count + 1);
        Some(Share { of: self.clone(), who })
    }

    /// How many one address may hold.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose an address is: who has one of IPv6 has at least all that begin with the same 64 bits.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

// === impl Share ===

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.of.held();
        // Nobody is remembered who holds nothing.
        match held.get(&self.who).copied() {
            Some(count) if count > 1 => drop(held.insert(self.who, count - 1)),
            _ => drop(held.remove(&self.who)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_holds_its_share_and_others_theirs() {
        let shares = Shares::new(2);
        let mine: Vec<_> = (0..2).map(|_| shares.take(address("192.0.2.1")).unwrap()).collect();
        assert!(shares.take(address("192.0.2.1")).is_none());
        assert!(shares.take(address("::ffff:192.0.2.1")).is_none(), "the same in other words");
        assert!(shares.take(address("192.0.2.2")).is_some());
        drop(mine);
        assert!(shares.held().is_empty(), "nobody is remembered");
        assert!(shares.take(address("192.0.2.1")).is_some());
    }

    #[test]
    fn a_network_of_64_bits_is_one_subscriber() {
        let shares = Shares::new(1);
        let _one = shares.take(address("2001:db8:0:1::1")).unwrap();
        assert!(shares.take(address("2001:db8:0:1:ffff::2")).is_none());
        assert!(shares.take(address("2001:db8:0:2::1")).is_some());
    }
}
