//! A tick as a message on its subject.

use bus::Message;
use chassis::trace::Traceparent;
use contract::codec::encode_tick;
use contract::subject;
use contract::tick::Tick;

/// A tick on its subject.
pub(crate) fn tick_message(tick: &Tick, correlation: &str) -> Message {
    let id = tick.id();
    Message {
        subject: subject::raw(tick.kind(), tick.condition_id()),
        id: Some(id.to_string()),
        correlation_id: Some(correlation.to_owned()),
        traceparent: Some(Traceparent::unsampled(id.bytes())),
        verdict: None,
        payload: encode_tick(tick).into(),
    }
}
