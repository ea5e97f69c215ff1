//! The queue in front of the bus: ticks, gaps, markets and dead letters until they are acknowledged.

pub(crate) mod dead_letters;
pub(crate) mod message;
pub(crate) mod queue;
pub(crate) mod unstored;
