//! The whole, running, a topic a file: one program, since each more compiles all that its futures await.
//!
//! Knows: its topics. Never: a test of its own.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod circles;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod journeys;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod live;
#[cfg(test)]
mod network;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod past;
#[cfg(test)]
mod promql;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod store;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod theft;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod venue;
#[cfg(test)]
mod writer;
