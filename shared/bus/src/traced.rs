//! Messages as spans tell of them: the words of OpenTelemetry's conventions for messaging.
//!
//! Knows: names of attributes. Never: who is sampled.

use chassis::trace::{Role, Span, Tracer};

use crate::deliver::Delivery;
use crate::publish::Message;
use crate::reader::StreamMessage;

impl Message {
    /// Begins the span of publishing this, below `cause`; the message's reader will begin below it.
    pub fn traced(&mut self, cause: &Span) -> Span {
        let span = cause.child("publish", Role::Producer);
        self.traceparent = Some(span.traceparent());
        let span = about(span, "send", &self.subject, self.correlation_id.as_deref());
        let span = span.number("messaging.message.body.size", self.payload.len() as u64);
        match &self.id {
            Some(id) => span.text("messaging.message.id", id.clone()),
            None => span,
        }
    }
}

impl Delivery {
    /// Begins the span of working on this; none where its trace is not sampled.
    pub fn traced(&self, tracer: &Tracer, name: &'static str, role: Role) -> Option<Span> {
        let span = tracer.follow(self.traceparent, name, role)?;
        let span = about(span, "process", &self.subject, self.correlation_id.as_deref());
        Some(span.number("messaging.nats.delivery", self.attempt))
    }
}

impl StreamMessage {
    /// Begins the span of showing this; none where its trace is not sampled.
    pub fn traced(&self, tracer: &Tracer, name: &'static str, role: Role) -> Option<Span> {
        let span = tracer.follow(self.traceparent, name, role)?;
        Some(about(span, "process", &self.subject, self.correlation_id.as_deref()))
    }
}

fn about(span: Span, operation: &'static str, subject: &str, correlation_id: Option<&str>) -> Span {
    let span = span
        .text("messaging.system", "nats")
        .text("messaging.operation.type", operation)
        .text("messaging.destination.name", subject.to_owned());
    match correlation_id {
        Some(id) => span.text("messaging.message.conversation_id", id.to_owned()),
        None => span,
    }
}
