//! The carrier: NATS JetStream behind the words of the pipeline.
//!
//! Knows: connections, streams, consumers, headers; the only room that names `async-nats`.
//! Never: what a payload means, or when to try again: it tries once and says whether trying again may help.

mod connect;
mod connection_health;
mod declared;
mod deliver;
mod error;
mod gauges;
mod kv;
mod listen;
mod publish;
mod reader;
mod topology;
mod traced;
mod upkeep;

pub use connect::{Bus, Config};
pub use deliver::{Deliveries, Delivery};
pub use error::BusError;
pub use gauges::Gauges;
pub use listen::{CoreMessage, Listener};
pub use publish::{Message, Pending, Stored};
pub use reader::{ReadUpTo, Source, Start, StreamMessage, StreamReader, Waiting};
pub use topology::{Limits, REDELIVERY_AFTER, SharedConsumer};
pub use upkeep::{Progress, StreamIdentity};
