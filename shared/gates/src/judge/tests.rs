//! The gates together: what is asked, what adds up, what is counted.
//!
//! Knows: whole trades. Never: more than the public doors of `judge`.

use proptest::prelude::*;

use contract::money::Price;
use contract::tick::{Prevailing, Side};

use super::*;
use crate::testing::{EXECUTED_US, price, size, token, trade};

fn decide(trade: &Trade, evidence: &Evidence) -> Decision {
    judge(trade, evidence, &Limits::default())
}

fn decided(trade: &Trade, evidence: &Evidence) -> Judgement {
    match decide(trade, evidence) {
        Decision::Decided(judgement) => judgement,
        Decision::Ask(questions) => panic!("asked {questions:?}"),
    }
}

fn received_after(mut trade: Trade, micros: i64) -> Trade {
    trade.received_at = Timestamp::from_micros(EXECUTED_US + micros);
    trade
}

#[test]
fn the_size_of_a_trade_recovered_after_a_gap_comes_from_rest() {
    let recovered = Trade { origin: Origin::Rest, prevailing: None, ..trade() };
    let judgement = decided(&recovered, &Evidence::default());
    assert_eq!((judgement.size_source, judgement.verdict), (Some(SizeSource::Rest), Verdict::Clean));
    assert_eq!((judgement.g5, judgement.deviation), (Outcome::UNKNOWN, None));
    let stale = received_after(recovered, 400_000_000);
    assert_eq!(decided(&stale, &Evidence::default()).size_source, Some(SizeSource::Rest));
}

fn hopeless() -> Trade {
    Trade { size: None, prevailing: None, price: price("0.9"), ..trade() }
}

fn unavailable() -> Evidence {
    Evidence { size: Some(Answer::Unavailable), book: Some(Answer::Unavailable) }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where evidence stands")]
fn book(bid: &str, ask: &str) -> Option<Answer<Top>> {
    Some(Answer::Known(Top { best_bid: Some(price(bid)), best_ask: Some(price(ask)) }))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where evidence stands")]
fn told() -> Option<Answer<Vec<RestTrade>>> {
    let row = RestTrade {
        token_id: token(1),
        side: Some(Side::Buy),
        price: price("0.9"),
        size: size("7"),
        executed_at: Timestamp::from_micros(EXECUTED_US + 3_000_000),
        transaction_hash: None,
    };
    Some(Answer::Known(vec![row]))
}

#[test]
fn a_plain_trade_is_clean_and_asks_nothing() {
    let judgement = decided(&trade(), &Evidence::default());
    assert_eq!(judgement.verdict, Verdict::Clean);
    assert_eq!(judgement.reasons, []);
    assert_eq!((judgement.size, judgement.size_source), (Some(size("10")), Some(SizeSource::Venue)));
    assert_eq!((judgement.deviation, judgement.confirmed), (Some(Decimal::ZERO), None));
    assert_eq!([judgement.g1, judgement.g3, judgement.g5], [Outcome::PASSED; 3]);
}

#[test]
fn a_trade_of_exactly_300_seconds_is_clean() {
    assert_eq!(decided(&received_after(trade(), 300_000_000), &Evidence::default()).verdict, Verdict::Clean);
}

#[test]
fn a_trade_one_microsecond_older_than_300_seconds_is_refused() {
    let judgement = decided(&received_after(trade(), 300_000_001), &Evidence::default());
    assert_eq!((judgement.verdict, judgement.reasons), (Verdict::Refused, vec![Reason::G1]));
    assert_eq!(judgement.g1, Outcome::HIT);
    assert_eq!(judgement.size, Some(size("10")));
}

#[test]
fn a_refused_trade_asks_nothing_and_no_other_gate_sees_it() {
    let zero = Trade { size: Some(Size::ZERO), ..hopeless() };
    let judgement = decided(&received_after(zero, 300_000_001), &Evidence::default());
    assert_eq!(judgement.reasons, [Reason::G1]);
    assert_eq!([judgement.g3, judgement.g5], [Outcome::NOT_EVALUATED; 2]);
    assert_eq!((judgement.size, judgement.size_source, judgement.deviation), (None, None, None));
}

#[test]
fn a_trade_exactly_5_seconds_ahead_is_clean_and_one_microsecond_more_is_flagged() {
    let clean = decided(&received_after(trade(), -5_000_000), &Evidence::default());
    assert_eq!((clean.verdict, clean.skewed), (Verdict::Clean, false));
    let flagged = decided(&received_after(trade(), -5_000_001), &Evidence::default());
    assert_eq!((flagged.verdict, flagged.skewed), (Verdict::Flagged, true));
    assert_eq!((flagged.reasons, flagged.confirmed), (vec![Reason::Skew], None));
}

#[test]
fn both_questions_are_asked_at_once() {
    let both = Decision::Ask(vec![Question::Size, Question::Book]);
    assert_eq!(decide(&hopeless(), &Evidence::default()), both);
    let size_known = Evidence { size: told(), book: None };
    assert_eq!(decide(&hopeless(), &size_known), Decision::Ask(vec![Question::Book]));
    let book_known = Evidence { size: None, book: Some(Answer::Unavailable) };
    assert_eq!(decide(&hopeless(), &book_known), Decision::Ask(vec![Question::Size]));
}

#[test]
fn a_trade_nobody_knows_anything_about_passes_and_is_counted_as_unknown() {
    let judgement = decided(&hopeless(), &unavailable());
    assert_eq!((judgement.verdict, judgement.reasons), (Verdict::Clean, vec![Reason::G3]));
    assert_eq!((judgement.size, judgement.size_source), (None, None));
    assert_eq!((judgement.deviation, judgement.confirmed), (None, None));
    assert_eq!((judgement.g3, judgement.g5), (Outcome::HIT_UNKNOWN, Outcome::UNKNOWN));
}

#[test]
fn a_size_that_was_found_leaves_no_reason_behind() {
    let judgement = decided(&hopeless(), &Evidence { size: told(), book: book("0.89", "0.91") });
    assert_eq!((judgement.verdict, judgement.reasons), (Verdict::Clean, vec![]));
    assert_eq!((judgement.size, judgement.size_source), (Some(size("7")), Some(SizeSource::Rest)));
    assert_eq!((judgement.g3, judgement.backfilled), (Outcome::HIT, true));
}

#[test]
fn a_trade_may_carry_three_reasons_in_order() {
    let ahead = received_after(hopeless(), -5_000_001);
    let judgement = decided(&ahead, &Evidence { size: Some(Answer::Unavailable), book: book("0.1", "0.2") });
    assert_eq!(judgement.verdict, Verdict::Flagged);
    assert_eq!(judgement.reasons, [Reason::G3, Reason::G5, Reason::Skew]);
    assert_eq!((judgement.confirmed, judgement.g5), (Some(true), Outcome::HIT));
}

#[test]
fn an_overruled_divergence_is_clean_and_counted() {
    let diverging = Trade { price: price("0.9"), ..trade() };
    assert_eq!(decide(&diverging, &Evidence::default()), Decision::Ask(vec![Question::Book]));
    let judgement = decided(&diverging, &Evidence { size: None, book: book("0.85", "0.95") });
    assert_eq!((judgement.verdict, judgement.overruled), (Verdict::Clean, true));
    assert_eq!((judgement.g5, judgement.confirmed), (Outcome::PASSED, None));
}

#[test]
fn a_judged_trade_carries_the_size_that_was_found() {
    let judgement = decided(&hopeless(), &Evidence { size: told(), book: Some(Answer::Unavailable) });
    let judged = judgement.of(hopeless(), Timestamp::from_micros(9));
    assert_eq!((judged.trade.size, judged.size_source), (Some(size("7")), Some(SizeSource::Rest)));
    assert_eq!((judged.trade.id, judged.judged_at), (trade().id, Timestamp::from_micros(9)));
}

prop_compose! {
    fn any_trade()(
        age_us in -10_000_000_i64..400_000_000,
        mills in 0_i64..=1000,
        shares in proptest::option::of(0_u32..3),
        quote in proptest::option::of((proptest::option::of(0_i64..=1000), proptest::option::of(0_i64..=1000), 0_u64..120_000_000)),
    ) -> Trade {
        let of = |mills| Price::try_from(Decimal::new(mills, 3)).unwrap();
        let prevailing = quote.map(|(bid, ask, age_us)| {
            Prevailing { best_bid: bid.map(of), best_ask: ask.map(of), age_us }
        });
        let size = shares.map(|shares| size(&shares.to_string()));
        received_after(Trade { price: of(mills), size, prevailing, ..trade() }, age_us)
    }
}

proptest! {
    #[test]
    fn once_each_question_has_an_answer_there_is_a_verdict(
        trade in any_trade(), size_known: bool, top in proptest::option::of((0_i64..=1000, 0_i64..=1000)),
    ) {
        let of = |mills| Some(Price::try_from(Decimal::new(mills, 3)).unwrap());
        let book = top.map_or(Answer::Unavailable, |(bid, ask)| Answer::Known(Top { best_bid: of(bid), best_ask: of(ask) }));
        let mut evidence = Evidence::default();
        if let Decision::Ask(questions) = decide(&trade, &evidence) {
            prop_assert!(!questions.is_empty());
            for question in questions {
                match question {
                    Question::Size => evidence.size = if size_known { told() } else { Some(Answer::Unavailable) },
                    Question::Book => evidence.book = Some(book),
                }
            }
        }
        let Decision::Decided(judgement) = decide(&trade, &evidence) else {
            return Err(TestCaseError::fail("asked twice"));
        };
        prop_assert!(judgement.reasons.is_sorted());
        prop_assert_eq!(judgement.size.is_some(), judgement.size_source.is_some());
        prop_assert_eq!(judgement.confirmed.is_some(), judgement.reasons.contains(&Reason::G5));
        prop_assert!(judgement.size.is_none_or(|size| !size.is_zero()));
    }

    #[test]
    fn a_refused_trade_never_asks_and_a_trade_is_refused_by_its_age_alone(trade in any_trade()) {
        let age_us = trade.received_at.micros_since(trade.executed_at);
        let decision = decide(&trade, &Evidence::default());
        let refused = matches!(&decision, Decision::Decided(judgement) if judgement.verdict == Verdict::Refused);
        prop_assert_eq!(refused, age_us > 300_000_000);
    }
}
