//! The simulator over real connections, as its users meet it.
//!
//! Knows: the public protocol reference. Never: the simulator's inside.

#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod controls;
#[cfg(test)]
mod oddities;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod services;
#[cfg(test)]
mod socket;
#[cfg(test)]
mod support;
#[cfg(test)]
mod universe;
