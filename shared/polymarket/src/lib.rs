//! The venue: the only room that knows Polymarket's words, addresses and limits.
//!
//! Knows: frames, REST bodies, sessions. Never: what becomes of a tick.

pub mod link;
mod race;
pub mod rest;
pub mod session;
pub mod translate;
mod wire;

/// Chooses the TLS library for this process; to be called before the first connection.
///
/// A second call changes nothing.
pub fn install_tls() {
    // An error only says that a provider was chosen before.
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
}
