//! The fold, number by number, and its bounds.
//!
//! Knows: made-up words of services. Never: a server.

use contract::gap::Gap;
use contract::stats::{
    Backlog, ErrorNote, FeedReport, GateCount, ProcessorReport, Report, Service, SocketState, WriterReport,
};
use contract::verdict::{JudgedTrade, Reason, Verdict};
use proptest::prelude::*;

use super::events::EVENTS_MAX;
use super::health::{Problem, Trust};
use super::instances::{ERRORS_MAX, INSTANCES_MAX};
use super::testing::{
    at, everybody, feed, gap, hear_everybody, judged_trade, market, price_change, stats, trade,
};
use super::*;

mod starts;

/// A fold at second 0 in which all is well.
fn well() -> Projection {
    let mut fold = Projection::new(at(0));
    fold.bus.told(Ok(()), at(0));
    fold.database.told(Ok(()), at(0));
    hear_everybody(&mut fold, 0);
    fold.settle(at(0));
    fold
}

fn problem(who: &str, what: &str) -> Problem {
    Problem { who: who.to_owned(), what: what.to_owned() }
}

fn processor(received: u64, evaluated: u64) -> Report {
    let g1 = GateCount { evaluated, hit: 1, unknown: 0 };
    Report::Processor(ProcessorReport { received, g1, ..ProcessorReport::default() })
}

#[test]
fn a_trade_counts_once_and_carries_its_name_and_its_age() {
    let mut fold = well();
    fold.market(&market(1));
    let event = fold.tick(judged_trade(1, Verdict::Flagged), at(3)).unwrap();
    assert_eq!(event.name.as_ref().map(|name| &*name.question), Some("Question 1?"));
    assert!(fold.tick(judged_trade(1, Verdict::Flagged), at(3)).is_none());
    let sum = fold.rates.sum(at(3));
    assert_eq!((sum.events, sum.trades, sum.aged, sum.age_us), (1, 1, 1, 1_500_000));
    assert_eq!(fold.executed_to_received.spread().unwrap().p50, 1_500_000);
    assert_eq!(fold.received_to_judged.spread().unwrap().p50, 500_000);
}

#[test]
fn a_trade_recovered_by_rest_has_no_age() {
    let mut fold = well();
    let mut judged = trade(1);
    judged.trade.origin = Origin::Rest;
    fold.tick(Judged::Trade(Box::new(judged)), at(3)).unwrap();
    assert_eq!(fold.rates.sum(at(3)).aged, 0);
    assert!(fold.executed_to_received.spread().is_none());
    assert!(fold.received_to_judged.spread().is_some());
}

#[test]
fn a_trade_whose_time_is_at_fault_counts_but_does_not_age_the_others() {
    let mut fold = well();
    fold.tick(judged_trade(1, Verdict::Refused), at(3)).unwrap();
    let reasons = vec![Reason::Skew];
    let skewed = JudgedTrade { verdict: Verdict::Flagged, reasons, ..trade(2) };
    fold.tick(Judged::Trade(Box::new(skewed)), at(3)).unwrap();
    assert_eq!((fold.rates.sum(at(3)).trades, fold.rates.sum(at(3)).aged), (2, 0));
    assert!(fold.executed_to_received.spread().is_none());
}

#[test]
fn an_event_that_came_before_its_market_is_named_when_it_is_shown() {
    let mut fold = well();
    fold.tick(price_change(1), at(0));
    let name = |fold: &Projection| fold.page(&EventFilter::default(), 1, 0).events[0].name.clone();
    assert_eq!(name(&fold), None);
    fold.market(&market(1));
    assert_eq!(name(&fold).map(|name| name.outcome.to_string()), Some("Yes".to_owned()));
}

#[test]
fn all_is_well_when_everybody_is_heard_of_and_data_comes() {
    let fold = well();
    let health = fold.health(at(4));
    assert_eq!((health.trust, health.is_healthy()), (Trust::Trustworthy, true), "{health:?}");
    assert_eq!(health.since, at(0));
}

#[test]
fn a_service_not_heard_of_for_more_than_4_s_is_unknown_with_its_age() {
    let mut fold = well();
    let [feed, processor, _, dashboard] = everybody(6);
    for word in [feed, processor, dashboard] {
        fold.stats(word, at(6));
    }
    fold.bus.told(Ok(()), at(6));
    let health = fold.health(at(6));
    assert_eq!(health.problems, [problem("writer", "unknown: last heard of 6 s ago")]);
    assert_eq!(health.trust, Trust::Degraded);
    assert_eq!(health.since, at(6), "it is news");
    fold.settle(at(6));
    assert_eq!(fold.health(at(7)).since, at(6));
}

#[test]
fn without_a_connected_socket_the_system_is_down_because_of_the_feed() {
    let mut fold = well();
    let mut report = feed(0);
    report.sockets[0].state = SocketState::Reconnecting;
    report.sockets[0].problem = Some("connection refused".to_owned());
    fold.stats(stats("feed-1", 1, Report::Feed(report)), at(1));
    let health = fold.health(at(1));
    let expected = problem("feed", "no socket to the venue is connected: connection refused");
    assert_eq!((health.trust, health.problems), (Trust::Down, vec![expected]));
}

#[test]
fn data_60_s_old_is_fresh_enough_and_61_s_old_is_not() {
    let mut fold = well();
    everybody(60).into_iter().skip(1).for_each(|word| fold.stats(word, at(60)));
    fold.stats(stats("feed-1", 60, Report::Feed(feed(0))), at(60));
    assert!(fold.health(at(60)).is_healthy());
    assert_eq!(fold.health(at(61)).problems, [problem("feed", "no data from the venue for 61 s")]);
}

#[test]
fn what_is_stored_or_shown_too_late_is_a_problem_with_its_seconds_and_where_it_waits() {
    let mut fold = well();
    for second in 0..=30 {
        hear_everybody(&mut fold, second);
        fold.bus.told(Ok(()), at(second));
        fold.delivery.read(Stage::Judged, Reading::of_oldest(None, 0, at(second)));
        fold.delivery.read(Stage::Stored, Reading::of_oldest(Some(at(0)), 275_000, at(second)));
        fold.delivery.read(Stage::Shown, Reading::of_oldest(Some(at(second - 6)), 9_000, at(second)));
        fold.settle(at(second));
    }
    let health = fold.health(at(30));
    let late = "what is stored is 30 s behind what is received (over 15 s, for 14 s), and falls further behind: \
                275000 ticks wait to be stored";
    let frozen = "what is shown is 6 s behind what is received (over 5 s, for 30 s), and stays so: 9000 ticks wait to be \
                  shown";
    assert_eq!(health.problems, [problem("writer", late), problem("dashboard", frozen)]);
    assert!(!health.is_healthy());
    assert_eq!(fold.incidents.count(), 2);
}

#[test]
fn what_is_stored_is_complete_up_to_the_oldest_tick_that_waits_and_to_the_last_word_of_every_feed() {
    let mut fold = well();
    let look = |fold: &mut Projection, oldest: Option<i64>, second: i64| {
        for stage in [Stage::Judged, Stage::Stored] {
            fold.delivery.read(stage, Reading::of_oldest(oldest.map(at), 1, at(second)));
        }
        fold.settle(at(second));
        fold.stored_until
    };
    assert_eq!(fold.stored_until, None, "nothing is known of the way yet");
    assert_eq!(look(&mut fold, None, 1), Some(at(0)), "the feed spoke at second 0");
    hear_everybody(&mut fold, 9);
    assert_eq!(look(&mut fold, Some(4), 9), Some(at(4)));
    // The feed is stopped: nobody knows what it would have received.
    for second in 10..=40 {
        assert!(look(&mut fold, None, second) <= Some(at(9)), "at second {second}");
    }
    let again = stats("feed-2", 41, Report::Feed(feed(41)));
    fold.stats(again, at(41));
    assert_eq!(look(&mut fold, None, 41), Some(at(9)), "one of two feeds is still silent");
}

#[test]
fn a_feed_that_drops_says_how_much_of_how_much() {
    let mut fold = well();
    for second in 1..=10 {
        let mut report = feed(second);
        report.dropped = 73 * second.unsigned_abs();
        report.ticks = [("price".to_owned(), 100 * second.unsigned_abs())].into();
        fold.stats(stats("feed-1", second, Report::Feed(report)), at(second));
    }
    let what =
        "730 ticks (73.0 %) were dropped within the last minute, again and again for 9 s: its buffer is full";
    let health = fold.health(at(10));
    assert!(health.problems.contains(&problem("feed", what)), "{health:?}");
}

#[test]
fn ten_quiet_seconds_are_a_notice_and_no_problem() {
    let mut fold = well();
    everybody(10).into_iter().skip(1).for_each(|word| fold.stats(word, at(10)));
    fold.stats(stats("feed-1", 10, Report::Feed(feed(1))), at(10));
    assert_eq!(fold.health(at(10)).notices, []);
    fold.stats(stats("feed-1", 11, Report::Feed(feed(1))), at(11));
    let health = fold.health(at(11));
    assert_eq!((health.is_healthy(), health.trust), (true, Trust::Degraded));
    assert_eq!(health.notices, [problem("feed", "no data from the venue for 10 s")]);
}

#[test]
fn a_bus_that_stops_answering_is_blamed_since_its_last_answer_and_nobody_else_is() {
    let mut fold = well();
    hear_everybody(&mut fold, 20);
    fold.bus.told(Ok(()), at(20));
    // Nobody can be heard since; the probe is still waiting.
    assert_eq!(fold.health(at(26)).problems, []);
    fold.bus.told(Err("no answer within 3 s".to_owned()), at(29));
    let expected = problem("bus", "does not answer for 9 s: no answer within 3 s");
    assert_eq!(fold.health(at(29)).problems, [expected]);
    assert_eq!(fold.health(at(29)).notices, []);
}

#[test]
fn a_database_that_is_away_degrades_and_a_bus_that_is_away_brings_down() {
    let mut fold = well();
    fold.database.told(Err("connection refused".to_owned()), at(1));
    let health = fold.health(at(3));
    assert_eq!(health.problems, [problem("database", "does not answer for 3 s: connection refused")]);
    assert_eq!(health.trust, Trust::Degraded);
    fold.bus.told(Err("gone".to_owned()), at(3));
    assert_eq!(fold.health(at(3)).trust, Trust::Down);
    assert!(!fold.is_live());
}

#[test]
fn a_consumer_is_stuck_while_messages_wait_and_its_takers_stand_still() {
    let mut fold = well();
    let waiting = Backlog { pending: 9, unacknowledged: 0 };
    for second in 0..=16 {
        hear_everybody(&mut fold, second);
        fold.backlog(Queue::Raw, waiting, at(second));
    }
    let expected = problem("processor", "stuck: 9 `raw` messages wait, none taken for 16 s");
    assert_eq!(fold.health(at(16)).problems, [expected]);
    fold.stats(stats("processor-1", 17, processor(1, 1)), at(17));
    assert!(fold.health(at(17)).is_healthy(), "it takes again");
}

#[test]
fn complaints_and_open_gaps_degrade_without_making_unhealthy() {
    let mut fold = well();
    let mut word = stats("writer-1", 1, Report::Writer(WriterReport::default()));
    word.problems = vec!["slow".to_owned()];
    fold.stats(word, at(1));
    fold.gap(gap(1));
    let health = fold.health(at(1));
    let expected =
        [problem("writer-1", "slow"), problem("feed", "1 gap is open for 0 s: ticks of 0x1 may be missing")];
    assert_eq!(health.notices, expected);
    assert_eq!((health.trust, health.is_healthy()), (Trust::Degraded, true));
    fold.gap(Gap { healed_at: Some(at(2)), ..gap(1) });
    assert_eq!(fold.health(at(1)).notices.len(), 1);
}

#[test]
fn open_gaps_are_told_with_their_markets_and_since_when() {
    let mut fold = well();
    fold.bus.told(Ok(()), at(4));
    hear_everybody(&mut fold, 4);
    let notice = |fold: &Projection| fold.health(at(6)).notices.pop().unwrap().what;
    fold.market(&market(1));
    fold.gap(gap(1));
    assert_eq!(notice(&fold), "1 gap is open for 5 s: ticks of Question 1? may be missing");
    let again = Gap::opened(gap(1).condition_id, "0/1", Cause::BookMismatch, at(3), at(3));
    for gap in [again, gap(2), gap(3), gap(4), gap(5)] {
        fold.gap(gap);
    }
    let what = "6 gaps are open, the oldest for 5 s: ticks of Question 1?, 0x2, 0x3 and 2 more markets may be missing";
    assert_eq!(notice(&fold), what);
}

#[test]
fn counters_of_two_instances_add_up_and_one_that_went_still_counts() {
    let mut fold = well();
    fold.stats(stats("processor-1", 0, processor(10, 4)), at(0));
    fold.stats(stats("processor-2", 0, processor(5, 2)), at(50));
    let counters = |fold: &Projection| fold.fleet.counters(Service::Processor).unwrap();
    assert_eq!((counters(&fold).received, counters(&fold).g1.evaluated), (15, 6));
    fold.settle(at(60));
    assert_eq!(fold.fleet.of(Service::Processor).count(), 2);
    fold.settle(at(61));
    assert_eq!(fold.fleet.of(Service::Processor).count(), 1, "silent for more than a minute");
    assert_eq!(counters(&fold).received, 15);
    fold.stats(stats("processor-1", 70, processor(11, 4)), at(70));
    assert_eq!(counters(&fold).received, 16, "it came back and is not counted twice");
}

#[test]
fn an_instance_that_started_again_under_its_name_counts_on() {
    let mut fold = well();
    fold.stats(stats("processor-1", 0, processor(10, 4)), at(0));
    let mut again = stats("processor-1", 3, processor(2, 1));
    again.started_at = at(2);
    fold.stats(again, at(3));
    let counters = fold.fleet.counters(Service::Processor).unwrap();
    assert_eq!((counters.received, counters.g1), (12, GateCount { evaluated: 5, hit: 2, unknown: 0 }));
}

#[test]
fn a_rate_is_taken_over_the_last_tellings_of_an_instance() {
    let mut fold = well();
    for (second, ticks) in [(1, 100), (3, 300)] {
        let report = FeedReport { ticks: [("price".to_owned(), ticks)].into(), ..feed(second) };
        fold.stats(stats("feed-1", second, Report::Feed(report)), at(second));
    }
    let rate = |fold: &Projection| fold.fleet.of(Service::Feed).next().unwrap().rate().unwrap().to_string();
    assert_eq!(rate(&fold), "100");
}

#[test]
fn errors_are_kept_for_an_hour_newest_first_even_of_those_who_went() {
    let mut fold = well();
    let note = |second, message: &str| ErrorNote { at: at(second), message: message.to_owned() };
    let mut word = stats("writer-9", 0, Report::Writer(WriterReport::default()));
    word.errors = vec![note(20, "b"), note(10, "a")];
    word.errors_last_hour = 2;
    fold.stats(word.clone(), at(20));
    fold.stats(word, at(21));
    let told = |fold: &Projection, now| -> Vec<String> {
        fold.fleet.errors(at(now)).iter().map(|told| told.note.message.clone()).collect()
    };
    assert_eq!(told(&fold, 21), ["b", "a"]);
    assert_eq!(fold.fleet.errors_last_hour(at(21)), 2);
    fold.settle(at(100));
    assert_eq!((told(&fold, 100).len(), fold.fleet.errors_last_hour(at(100))), (2, 2));
    assert_eq!(told(&fold, 3_610), ["b"], "an hour has passed since the first");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_fold_never_exceeds_its_bounds(
        steps in proptest::collection::vec((0_u8..6, any::<u16>(), 0_i64..4_000), 1..6_000),
    ) {
        let mut fold = Projection::new(at(0));
        for (what, number, second) in steps {
            let (number, now) = (u32::from(number), at(second));
            match what {
                0 => drop(fold.tick(judged_trade(number, Verdict::Clean), now)),
                1 => drop(fold.tick(price_change(number), now)),
                2 => fold.market(&market(number)),
                3 => fold.gap(gap(number)),
                4 => {
                    let mut word = stats(&format!("writer-{number}"), second, processor(1, 1));
                    word.errors = vec![ErrorNote { at: now, message: number.to_string() }];
                    fold.stats(word, now);
                }
                _ => fold.settle(now),
            }
        }
        let [all, all_ids, trades, trade_ids] = fold.events.sizes();
        prop_assert!(all <= EVENTS_MAX && trades <= EVENTS_MAX);
        prop_assert!(all == all_ids && trades == trade_ids);
        let [instances, departed, errors] = fold.fleet.sizes();
        prop_assert!(instances <= INSTANCES_MAX && departed <= 256 && errors <= ERRORS_MAX);
        prop_assert!(fold.tokens.size() <= tokens::TOKENS_MAX);
        prop_assert!(fold.gaps.count() <= gaps::GAPS_MAX as u64);
        prop_assert_eq!(fold.rates.series(at(4_000)).len(), rates::SECONDS);
        prop_assert!(fold.page(&EventFilter::default(), 500, 0).events.len() <= 500);
    }
}
