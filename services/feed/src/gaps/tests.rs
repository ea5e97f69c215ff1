//! Gaps that open, wait, heal, and are lost with a stream.
//!
//! Knows: made-up moments. Never: a bus.

use super::*;

const SETTLEMENT: Duration = Duration::from_secs(40);

fn market(number: u32) -> ConditionId {
    ConditionId::try_from(format!("0x{number:x}").as_str()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn gaps() -> (Gaps, PublishQueue) {
    let queue = PublishQueue::new(1);
    (Gaps::new("0/1", SETTLEMENT, queue.clone()), queue)
}

fn published(queue: &PublishQueue) -> u64 {
    queue.level().messages
}

#[test]
fn a_break_inside_a_gap_lies_inside_it() {
    let (gaps, queue) = gaps();
    gaps.open(&market(1), Cause::Silence, at(5), at(5));
    gaps.open(&market(1), Cause::SocketClosed, at(7), at(7));
    assert_eq!((gaps.counts().open, published(&queue), gaps.oldest()), (1, 1, Some(at(5))));
    assert_eq!((gaps.causes().open, gaps.causes().oldest), ([("silence", 1)].into(), Some(at(5))));
    assert!(gaps.is_open_for(&market(1), Cause::Silence));
    assert!(!gaps.is_open_for(&market(1), Cause::SocketClosed));
}

#[test]
fn ticks_that_were_lost_behind_the_feed_are_a_gap_that_waits_for_its_trades_at_once() {
    let (gaps, queue) = gaps();
    gaps.missed(&market(1), Cause::StreamLost, (at(5), at(8)), Trades::ToFetch);
    gaps.missed(&market(1), Cause::StreamLost, (at(5), at(12)), Trades::ToFetch);
    assert_eq!((gaps.counts(), published(&queue)), (Counts { open: 0, waiting: 1 }, 2));
    let waiting = gaps.due(at(52), 20);
    assert_eq!((waiting.len(), waiting[0].live_at()), (1, at(12)));
    gaps.asked(waiting[0].gap.id, at(52));
    gaps.missed(&market(1), Cause::StreamLost, (at(5), at(60)), Trades::Lost);
    assert_eq!((gaps.counts(), gaps.causes().incomplete), (Counts::default(), [("stream_lost", 1)].into()));
    gaps.open(&market(2), Cause::Silence, at(20), at(20));
    // A stream that lost them gets the healed one and the open one again.
    gaps.publish_again();
    assert_eq!(published(&queue), 8);
    assert_eq!(gaps.state().closed[1].opened_at, at(12), "what is healed stays healed");
}

#[test]
fn a_gap_is_healed_by_its_last_round_with_all_that_was_recovered() {
    let (gaps, queue) = gaps();
    gaps.open(&market(1), Cause::Silence, at(5), at(5));
    gaps.restored(&market(1), at(10));
    assert_eq!(gaps.counts(), Counts { open: 0, waiting: 1 });
    assert_eq!(gaps.due(at(14), 20), []);
    let early = gaps.due(at(15), 20);
    assert_eq!(early.len(), 1);
    gaps.recovered(early[0].gap.id, 2);
    gaps.asked(early[0].gap.id, at(15));
    assert_eq!(gaps.next_due(), Some(at(50)));
    assert_eq!((gaps.due(at(49), 20).len(), gaps.due(at(50), 20).len()), (0, 1));
    assert_eq!(gaps.due(at(50), 20)[0].gap.trades_recovered, 2);
    gaps.asked(early[0].gap.id, at(50));
    assert_eq!((gaps.counts(), published(&queue)), (Counts::default(), 3));
    let once = BTreeMap::from([("silence", 1)]);
    let causes = Causes { opened: once.clone(), healed: once, ..Causes::default() };
    assert_eq!(gaps.causes(), causes);
}

#[test]
fn a_gap_whose_trades_cannot_be_had_waits_on_and_costs_no_other() {
    let (gaps, _relay) = gaps();
    for number in [1, 2] {
        gaps.open(&market(number), Cause::Silence, at(5), at(5));
        gaps.restored(&market(number), at(10));
    }
    let bad = gaps.due(at(50), 20).remove(0).gap;
    gaps.postpone(bad.id, at(600));
    let due = gaps.due(at(50), 20);
    assert_eq!((due.len(), gaps.postponed()), (1, 1));
    gaps.asked(due[0].gap.id, at(50));
    assert_eq!((gaps.next_due(), gaps.counts().waiting), (Some(at(600)), 1));
    for again in 2..POSTPONED_MAX {
        gaps.postpone(bad.id, at(600 * i64::from(again)));
        assert_eq!(gaps.counts().waiting, 1);
    }
    gaps.postpone(bad.id, at(9_000));
    assert_eq!((gaps.postponed(), gaps.counts()), (0, Counts::default()));
    assert_eq!(gaps.causes().incomplete, [("silence", 1)].into(), "asked for often enough");
}

#[test]
fn a_gap_of_which_trades_are_lost_closes_as_incomplete_with_its_last_round_and_not_before() {
    let (gaps, _relay) = gaps();
    gaps.open(&market(1), Cause::Silence, at(5), at(6));
    gaps.restored(&market(1), at(10));
    let id = gaps.due(at(15), 20)[0].gap.id;
    gaps.asked_in_part(id, at(15));
    assert_eq!(gaps.counts().waiting, 1, "rows that settle later are still to come");
    gaps.asked_in_part(id, at(50));
    let closed = gaps.state().closed[0].clone();
    assert_eq!(
        (closed.state, closed.healed_at, closed.detected_at),
        (Stage::Incomplete, Some(at(10)), Some(at(6)))
    );
}

#[test]
fn a_first_round_that_comes_after_the_settlement_is_the_last_one() {
    let (gaps, _relay) = gaps();
    gaps.open(&market(1), Cause::Silence, at(5), at(5));
    gaps.restored(&market(1), at(10));
    let id = gaps.due(at(50), 20)[0].gap.id;
    gaps.asked(id, at(50));
    assert_eq!(gaps.counts(), Counts::default());
}

#[test]
fn a_new_gap_opens_while_an_earlier_one_waits_for_its_trades() {
    let (gaps, _relay) = gaps();
    gaps.open(&market(1), Cause::Silence, at(5), at(5));
    gaps.restored(&market(1), at(10));
    gaps.open(&market(1), Cause::SocketClosed, at(12), at(12));
    assert_eq!(gaps.counts(), Counts { open: 1, waiting: 1 });
    assert_eq!(gaps.oldest(), Some(at(5)));
}

#[test]
fn one_call_serves_so_many_markets_and_all_gaps_of_each() {
    let (gaps, _relay) = gaps();
    for number in [1, 2, 3, 1] {
        gaps.open(&market(number), Cause::Silence, at(number.into()), at(number.into()));
        gaps.restored(&market(number), at(10));
    }
    gaps.open(&market(1), Cause::Silence, at(11), at(11));
    gaps.restored(&market(1), at(12));
    let due = gaps.due(at(99), 2);
    let markets: Vec<ConditionId> = due.iter().map(|waiting| waiting.gap.condition_id.clone()).collect();
    assert_eq!(markets.iter().filter(|name| **name == market(1)).count(), 3);
    assert!(markets.contains(&market(2)) && !markets.contains(&market(3)), "{markets:?}");
}

#[test]
fn an_overrun_is_over_with_the_last_of_its_gaps() {
    let (gaps, _relay) = gaps();
    gaps.open(&market(1), Cause::BufferFull, at(5), at(5));
    gaps.open(&market(2), Cause::BufferFull, at(5), at(5));
    gaps.restored(&market(1), at(6));
    gaps.unfollow(&market(2), at(6));
    assert!(!gaps.any_overrun());
    gaps.follow(&market(2));
    assert!(gaps.any_overrun());
    gaps.restored(&market(2), at(7));
    assert!(!gaps.any_overrun());
}

#[test]
fn a_market_that_leaves_is_in_a_gap_until_it_is_back() {
    let (gaps, queue) = gaps();
    gaps.unfollow(&market(1), at(5));
    assert_eq!((gaps.counts().open, published(&queue)), (0, 1));
    gaps.follow(&market(1));
    assert!(gaps.is_open_for(&market(1), Cause::NotFollowed));
    gaps.restored(&market(1), at(9));
    assert_eq!(gaps.counts(), Counts { open: 0, waiting: 1 });
}

#[test]
fn what_an_earlier_feed_left_open_goes_on_without_being_told_again() {
    let (gaps, queue) = gaps();
    gaps.inherit(Gap::opened(market(1), "0/1", Cause::SocketClosed, at(3), at(3)), New::No);
    gaps.inherit(Gap::opened(market(2), "0/1", Cause::FeedRestart, at(4), at(4)), New::Yes);
    assert_eq!(published(&queue), 1);
    assert_eq!(gaps.of_the_past().len(), 2);
    gaps.follow(&market(1));
    assert_eq!(gaps.of_the_past(), [market(2)]);
    gaps.open(&market(1), Cause::Silence, at(8), at(8));
    assert_eq!((gaps.counts().open, published(&queue)), (1, 1));
    gaps.restored(&market(2), at(9));
    assert_eq!(gaps.counts().waiting, 1, "a market that will never be followed again can still be asked for");
}
