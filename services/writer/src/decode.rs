//! A message as a row, or the reason why it is none.
//!
//! Knows: which subject carries which payload. Never: where a row goes.

use bus::SharedConsumer;
use contract::codec;
use contract::dead_letter::DeadLetter;
use contract::stats::Service;
use contract::subject;
use contract::tick::{Book, Kind, PriceChange};
use contract::time::Timestamp;
use contract::verdict::JudgedTrade;
use contract::{gap, market};
use serde::de::DeserializeOwned;
use store::row::{self, InvalidRow, Row};

/// What a message is to the writer.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A row to be stored.
    Row(Row),
    /// Nothing that is stored: a stated quote, a grid change.
    NotStored,
    /// Not to be understood; the reason, in words.
    Odd(String),
}

/// Where a message stood.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Its subject.
    pub subject: &'a str,
    /// `Correlation-Id`.
    pub correlation_id: Option<&'a str>,
    /// Its place in its stream.
    pub sequence: u64,
}

/// Reads a message of the consumer `work`, which came at `now`.
///
/// A dead letter always becomes a row, in its own words or as bytes: it must not die a second time.
pub fn read(work: SharedConsumer, envelope: Envelope<'_>, payload: &[u8], now: Timestamp) -> Message {
    match work {
        SharedConsumer::Judged => tick(envelope, payload),
        SharedConsumer::Markets => {
            of::<market::Market>(payload, |market| Ok(Row::Market(Box::new(market.try_into()?))))
        }
        SharedConsumer::Gaps => of::<gap::Gap>(payload, |gap| Ok(Row::Gap(gap.try_into()?))),
        SharedConsumer::Dead => {
            match of::<DeadLetter>(payload, |letter| Ok(Row::DeadLetter(letter.try_into()?))) {
                Message::Odd(why) => of_letter(letter(envelope, &why, payload, now)),
                read => read,
            }
        }
        SharedConsumer::Raw => Message::Odd("raw ticks are not for the writer".to_owned()),
    }
}

/// A dead letter about a message that cannot be stored.
pub fn letter(envelope: Envelope<'_>, why: &str, payload: &[u8], now: Timestamp) -> DeadLetter {
    DeadLetter::new(Service::Writer, envelope.subject, &envelope.sequence.to_string(), why, payload, now)
}

fn tick(envelope: Envelope<'_>, payload: &[u8]) -> Message {
    let Some(told) = subject::of_tick(envelope.subject).filter(|told| told.verdict.is_some()) else {
        return Message::Odd("not the subject of a judged tick".to_owned());
    };
    match told.kind {
        Kind::Trade => of::<JudgedTrade>(payload, |judged| {
            let correlation_id = envelope.correlation_id.map(str::to_owned);
            Ok(Row::Trade(Box::new(row::Trade::of(judged, correlation_id)?)))
        }),
        Kind::Price => of::<PriceChange>(payload, |change| Ok(Row::Price(change.try_into()?))),
        Kind::Book => of::<Book>(payload, |book| Ok(Row::Book(book.try_into()?))),
        Kind::Quote | Kind::TickSize => Message::NotStored,
    }
}

fn of<T: DeserializeOwned>(payload: &[u8], row: impl FnOnce(T) -> Result<Row, InvalidRow>) -> Message {
    match codec::decode::<T>(payload) {
        Ok(payload) => row(payload).map_or_else(|odd| Message::Odd(odd.to_string()), Message::Row),
        Err(error) => Message::Odd(error.to_string()),
    }
}

fn of_letter(letter: DeadLetter) -> Message {
    letter.try_into().map_or_else(
        |odd: InvalidRow| Message::Odd(odd.to_string()),
        |letter| Message::Row(Row::DeadLetter(letter)),
    )
}

#[cfg(test)]
mod tests {
    use contract::ids::{ConditionId, TickId, TokenId};
    use contract::money::{Price, Size};
    use contract::tick::Side;
    use contract::verdict::Verdict;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_789_156_413_830);

    fn condition() -> ConditionId {
        ConditionId::try_from("0xab").unwrap()
    }

    fn read_from(work: SharedConsumer, subject: &str, payload: &[u8]) -> Message {
        read(work, Envelope { subject, correlation_id: Some("c1"), sequence: 7 }, payload, NOW)
    }

    fn change() -> Vec<u8> {
        codec::encode(&PriceChange {
            id: TickId::of_content(&["p"]),
            condition_id: condition(),
            token_id: TokenId::try_from("17").unwrap(),
            side: Side::Buy,
            price: Price::of_text("0.5").unwrap(),
            size: Size::of_text("3").unwrap(),
            best_bid: None,
            best_ask: None,
            hash: None,
            changed_at: NOW,
            received_at: NOW,
        })
    }

    #[test]
    fn a_price_change_on_its_subject_is_a_row() {
        let subject = subject::judged(Verdict::Clean, Kind::Price, &condition());
        assert!(matches!(
            read_from(SharedConsumer::Judged, &subject, &change()),
            Message::Row(Row::Price(_))
        ));
    }

    #[test]
    fn quotes_and_grid_changes_are_not_stored() {
        for kind in [Kind::Quote, Kind::TickSize] {
            let subject = subject::judged(Verdict::Clean, kind, &condition());
            assert_eq!(read_from(SharedConsumer::Judged, &subject, b"anything"), Message::NotStored);
        }
    }

    #[test]
    fn what_cannot_be_decoded_says_what_it_should_have_been() {
        let subject = subject::judged(Verdict::Refused, Kind::Trade, &condition());
        for payload in [b"".as_slice(), b"\xff\x00", &change()] {
            let Message::Odd(why) = read_from(SharedConsumer::Judged, &subject, payload) else {
                panic!("it was read")
            };
            assert!(why.starts_with("not a JudgedTrade"), "{why}");
        }
        for subject in [subject::raw(Kind::Price, &condition()), "ticks".to_owned()] {
            assert!(
                matches!(read_from(SharedConsumer::Judged, &subject, &change()), Message::Odd(_)),
                "{subject}"
            );
        }
        assert!(matches!(read_from(SharedConsumer::Raw, "ticks.raw.price.0xab", &change()), Message::Odd(_)));
        assert!(matches!(read_from(SharedConsumer::Markets, "markets.0xab", b"x"), Message::Odd(_)));
    }

    #[test]
    fn a_gap_is_a_row() {
        let gap = gap::Gap::opened(condition(), "0/1", gap::Cause::Silence, NOW, NOW);
        let message = read_from(SharedConsumer::Gaps, "gaps.0xab", &codec::encode(&gap));
        assert!(matches!(message, Message::Row(Row::Gap(_))));
    }

    #[test]
    fn a_dead_letter_is_a_row_even_if_it_cannot_be_read() {
        let sent = DeadLetter::new(Service::Feed, "socket 1", "1", "odd", b"bytes", NOW);
        let Message::Row(Row::DeadLetter(row)) =
            read_from(SharedConsumer::Dead, "dead.feed", &codec::encode(&sent))
        else {
            panic!("no row")
        };
        assert_eq!((row.service, row.payload.as_slice()), ("feed", b"bytes".as_slice()));
        let Message::Row(Row::DeadLetter(row)) = read_from(SharedConsumer::Dead, "dead.feed", b"\xc1") else {
            panic!("no row")
        };
        assert_eq!(
            (row.service, row.subject.as_str(), row.payload.as_slice()),
            ("writer", "dead.feed", b"\xc1".as_slice())
        );
        let far = DeadLetter { at: Timestamp::from_micros(i64::MAX), ..sent };
        assert!(matches!(
            read_from(SharedConsumer::Dead, "dead.feed", &codec::encode(&far)),
            Message::Row(_)
        ));
    }
}
