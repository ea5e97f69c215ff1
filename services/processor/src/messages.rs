//! What goes in and what goes out, as messages: reading a raw tick, addressing a judged one, burying a dead one.
//!
//! Knows: subjects, headers, payloads. Never: the bus itself.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bus::Message;
use bytes::Bytes;
use chassis::trace::Traceparent;
use contract::codec::{self, SCHEMA};
use contract::dead_letter::DeadLetter;
use contract::stats::Service;
use contract::subject;
use contract::tick::{Kind, Tick, Trade};
use contract::time::Timestamp;
use contract::verdict::Verdict;
use gates::judge::Judgement;

/// Longest value of a header that is carried on; ours have at most 60 characters.
const HEADER_LENGTH_MAX: usize = 200;

/// What binds a message to the frame it comes from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct MessageContext {
    correlation_id: Option<String>,
    traceparent: Option<Traceparent>,
}

/// Reads a raw tick.
///
/// # Errors
/// In words, when the subject is no raw tick's, the schema is unknown, the payload is not what the subject
/// says, or belongs to another market.
pub(crate) fn read(subject: &str, schema: Option<&str>, payload: &[u8]) -> Result<Tick, String> {
    let Some(named) = subject::of_tick(subject).filter(|named| named.verdict.is_none()) else {
        return Err("not the subject of a raw tick".to_owned());
    };
    if let Some(schema) = schema.filter(|schema| *schema != SCHEMA) {
        return Err(format!("schema `{}` is unknown", schema.escape_default()));
    }
    let tick = codec::decode_tick(named.kind, payload).map_err(|error| error.to_string())?;
    if subject.rsplit('.').next() != Some(tick.condition_id().as_str()) {
        return Err(format!("the tick belongs to market {}", tick.condition_id()));
    }
    Ok(tick)
}

/// A tick that is not judged, with the payload it came with.
pub(crate) fn passed_on(tick: &Tick, payload: Bytes, thread: MessageContext) -> Message {
    let kind = match tick {
        Tick::Book(_) => Kind::Book,
        Tick::Price(_) => Kind::Price,
        Tick::Trade(_) => Kind::Trade,
        Tick::Quote(_) => Kind::Quote,
        Tick::TickSize(_) => Kind::TickSize,
    };
    let subject = subject::judged(Verdict::Clean, kind, tick.condition_id());
    thread.tie(Message::new(subject, tick.id().to_string(), payload))
}

/// A trade with its verdict.
pub(crate) fn judged(
    trade: Trade,
    judgement: Judgement,
    judged_at: Timestamp,
    thread: MessageContext,
) -> Message {
    let subject = subject::judged(judgement.verdict, Kind::Trade, &trade.condition_id);
    let (id, verdict) = (trade.id.to_string(), judgement.verdict);
    let payload = codec::encode(&judgement.of(trade, judged_at));
    Message { verdict: Some(verdict), ..thread.tie(Message::new(subject, id, payload)) }
}

/// A message that could not be understood. `sequence`: its place in the stream.
pub(crate) fn dead(
    subject: &str,
    sequence: u64,
    error: &str,
    payload: &[u8],
    at: Timestamp,
    thread: MessageContext,
) -> Message {
    let letter = DeadLetter::new(Service::Processor, subject, &sequence.to_string(), error, payload, at);
    let id = letter.id.to_string();
    thread.tie(Message::new(subject::dead(Service::Processor), id, codec::encode(&letter)))
}

/// What `work` gives, or what it said when it panicked: one bad message must not take the others with it.
///
/// # Errors
/// When `work` panics.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // Nothing that outlives the call is changed by the work, so a half-done state cannot be seen.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| format!("panicked: {}", text_of(panic.as_ref())))
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}

// === impl MessageContext ===

impl MessageContext {
    /// The headers of a message. One that the bus would not take is let go, since no message may be stuck for it.
    pub(crate) fn of(correlation_id: Option<&str>, traceparent: Option<Traceparent>) -> Self {
        let plain =
            |text: &&str| text.len() <= HEADER_LENGTH_MAX && text.bytes().all(|b| b.is_ascii_graphic());
        Self { correlation_id: correlation_id.filter(plain).map(str::to_owned), traceparent }
    }

    fn tie(self, message: Message) -> Message {
        Message { correlation_id: self.correlation_id, traceparent: self.traceparent, ..message }
    }
}

#[cfg(test)]
mod tests {
    use contract::codec::{decode, encode_tick};
    use contract::tick::Quote;
    use contract::verdict::JudgedTrade;
    use gates::judge::{Decision, Evidence, judge};
    use gates::limits::Limits;

    use super::*;
    use crate::testing::{EXECUTED_AT, market, token, trade};

    const SUBJECT: &str = "ticks.raw.trade.0xab";

    fn payload() -> Vec<u8> {
        encode_tick(&Tick::Trade(Box::new(trade())))
    }

    fn thread() -> MessageContext {
        MessageContext::of(Some("frame-1"), Some(Traceparent::unsampled([0xab; 16])))
    }

    #[test]
    fn a_raw_tick_is_read_with_the_schema_it_names_or_with_none() {
        let expected = Ok(Tick::Trade(Box::new(trade())));
        assert_eq!(read(SUBJECT, Some("1"), &payload()), expected);
        assert_eq!(read(SUBJECT, None, &payload()), expected);
    }

    #[test]
    fn what_is_not_a_raw_tick_of_its_subject_is_told_apart() {
        for (subject, schema, payload, told) in [
            ("ticks.clean.trade.0xab", None, payload(), "not the subject"),
            ("ticks.raw.trade._bad", None, payload(), "not the subject"),
            ("ticks.raw.trade.0xab.x", None, payload(), "not the subject"),
            (SUBJECT, Some("2\n"), payload(), "schema `2\\n` is unknown"),
            (SUBJECT, None, Vec::new(), "not a Trade"),
            (SUBJECT, None, b"garbage".to_vec(), "not a Trade"),
            ("ticks.raw.book.0xab", None, payload(), "not a Book"),
            ("ticks.raw.trade.0xac", None, payload(), "market 0xab"),
        ] {
            let error = read(subject, schema, &payload).unwrap_err();
            assert!(error.contains(told), "{subject}: {error}");
        }
    }

    #[test]
    fn a_tick_that_is_not_judged_goes_on_byte_by_byte_under_its_own_id() {
        let quote = Quote {
            id: trade().id,
            condition_id: market(),
            token_id: token(1),
            best_bid: None,
            best_ask: None,
            changed_at: EXECUTED_AT,
            received_at: EXECUTED_AT,
        };
        let tick = Tick::Quote(quote);
        let message = passed_on(&tick, encode_tick(&tick).into(), thread());
        assert_eq!(message.subject, "ticks.clean.quote.0xab");
        assert_eq!((message.id, message.verdict), (Some(trade().id.to_string()), None));
        assert_eq!(message.payload, encode_tick(&tick));
        assert_eq!(message.correlation_id.as_deref(), Some("frame-1"));
        assert_eq!(message.traceparent, Some(Traceparent::unsampled([0xab; 16])));
    }

    #[test]
    fn a_judged_trade_goes_to_the_subject_of_its_verdict() {
        let mut stale = trade();
        stale.received_at = stale.executed_at.plus(std::time::Duration::from_secs(301));
        for (trade, word) in [(trade(), "clean"), (stale, "refused")] {
            let Decision::Decided(judgement) = judge(&trade, &Evidence::default(), &Limits::default()) else {
                panic!("asks")
            };
            let message = judged(trade.clone(), judgement, EXECUTED_AT, thread());
            assert_eq!(message.subject, format!("ticks.{word}.trade.0xab"));
            assert_eq!(message.verdict.map(Verdict::word), Some(word));
            let read: JudgedTrade = decode(&message.payload).unwrap();
            assert_eq!((read.trade, read.judged_at), (trade, EXECUTED_AT));
        }
    }

    #[test]
    fn a_dead_letter_keeps_the_bytes_and_says_the_same_when_told_again() {
        let message = dead(SUBJECT, 7, "why", b"bytes", EXECUTED_AT, MessageContext::default());
        let letter: DeadLetter = decode(&message.payload).unwrap();
        assert_eq!(message.subject, "dead.processor");
        assert_eq!((letter.payload.as_slice(), letter.subject.as_str()), (b"bytes".as_slice(), SUBJECT));
        assert_eq!(message.id, Some(letter.id.to_string()));
        assert_eq!(dead(SUBJECT, 7, "why", b"bytes", EXECUTED_AT, MessageContext::default()).id, message.id);
        assert_ne!(dead(SUBJECT, 8, "why", b"bytes", EXECUTED_AT, MessageContext::default()).id, message.id);
    }

    #[test]
    fn a_header_the_bus_would_not_take_is_let_go() {
        let long = "x".repeat(HEADER_LENGTH_MAX + 1);
        assert_eq!(MessageContext::of(Some("a\r\nb"), None), MessageContext::default());
        assert_eq!(MessageContext::of(Some(&long), None), MessageContext::default());
        assert!(MessageContext::of(Some(&long[1..]), None).correlation_id.is_some());
    }

    #[test]
    fn a_panic_becomes_words() {
        assert_eq!(catch_panic(|| 7), Ok(7));
        assert_eq!(
            catch_panic(|| -> u8 { panic!("at the disco") }),
            Err("panicked: at the disco".to_owned())
        );
        assert_eq!(catch_panic(|| -> u8 { panic!("{}", 7) }), Err("panicked: 7".to_owned()));
    }
}
