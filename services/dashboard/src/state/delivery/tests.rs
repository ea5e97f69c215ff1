//! How lags and drops are told, second by second.
//!
//! Knows: made-up readings. Never: a bus.

use super::*;
use crate::state::testing::{at, feed, stats};

/// A delivery in which the oldest waiting tick of a stage is so many seconds old, read at each second until `to`.
fn aged(stage: Stage, to: i64, age: impl Fn(i64) -> i64) -> Delivery {
    let mut delivery = Delivery::default();
    for second in 0..=to {
        delivery.read(stage, Reading::of_oldest(Some(at(second - age(second))), 1_000, at(second)));
    }
    delivery
}

fn told(delivery: &mut Delivery, second: i64, dropped: u64, read: u64) {
    let mut report = feed(second);
    (report.dropped, report.ticks) = (dropped, [("price".to_owned(), read)].into());
    delivery.feed(&stats("feed-1", second, Report::Feed(report)), at(second));
}

#[test]
fn a_stage_in_which_nothing_waits_is_not_behind_and_one_that_was_not_read_lately_is_unknown() {
    let mut delivery = Delivery::default();
    assert_eq!(delivery.standing(Stage::Stored, at(0)), None);
    delivery.read(Stage::Stored, Reading::of_oldest(None, 0, at(0)));
    let standing = delivery.standing(Stage::Stored, at(10)).unwrap();
    assert_eq!((standing.behind, standing.waiting, standing.slope), (Duration::ZERO, 0, Slope::Steady));
    assert_eq!(delivery.standing(Stage::Stored, at(11)), None);
    assert_eq!(delivery.late(Stage::Stored, at(11)), None);
}

#[test]
fn what_waits_for_15_s_is_in_time_and_for_16_s_is_late_since_then() {
    let delivery = aged(Stage::Stored, 15, |second| second);
    assert_eq!(delivery.late(Stage::Stored, at(15)), None);
    let delivery = aged(Stage::Stored, 20, |second| second);
    let (stage, late) = delivery.late(Stage::Stored, at(20)).unwrap();
    assert_eq!((stage, late.behind, late.slope), (Stage::Stored, Duration::from_secs(20), Slope::Growing));
    assert_eq!(late.over_since, Some(at(16)));
}

#[test]
fn a_lag_grows_stays_or_shrinks() {
    let slope =
        |age: fn(i64) -> i64| aged(Stage::Shown, 30, age).standing(Stage::Shown, at(30)).unwrap().slope;
    assert_eq!(slope(|second| second), Slope::Growing);
    assert_eq!(slope(|_| 20), Slope::Steady);
    assert_eq!(slope(|second| 100 - 3 * second), Slope::Shrinking);
}

#[test]
fn the_stage_that_is_named_is_the_one_that_adds_most_and_the_whole_is_the_oldest_of_all() {
    let mut delivery = Delivery::default();
    // What the writers take has waited 21 s in the feed before.
    for (stage, age) in [(Stage::Published, 21), (Stage::Judged, 22), (Stage::Stored, 23)] {
        delivery.read(stage, Reading::of_oldest(Some(at(100 - age)), 5, at(100)));
    }
    let (stage, late) = delivery.late(Stage::Stored, at(100)).unwrap();
    assert_eq!((stage, late.behind), (Stage::Published, Duration::from_secs(23)));
    delivery.read(Stage::Stored, Reading::of_oldest(Some(at(100 - 60)), 5, at(101)));
    assert_eq!(delivery.late(Stage::Stored, at(101)).unwrap().0, Stage::Stored);
}

#[test]
fn a_drop_counts_for_a_minute_with_its_share_and_since_when_they_go_on() {
    let mut delivery = Delivery::default();
    for second in 0..10 {
        told(&mut delivery, second, 0, 100 * second.unsigned_abs());
    }
    assert_eq!(delivery.drops(at(9)), None);
    for second in 10..=20 {
        told(&mut delivery, second, 73 * (second - 9).unsigned_abs(), 100 * second.unsigned_abs());
    }
    let drops = delivery.drops(at(20)).unwrap();
    assert_eq!(drops, Drops { ticks: 803, of: 2_000, since: at(10) });
    for second in 21..=80 {
        told(&mut delivery, second, 803, 100 * second.unsigned_abs());
    }
    assert!(delivery.drops(at(80)).is_some(), "60 s after the last one");
    told(&mut delivery, 81, 803, 8_100);
    assert_eq!(delivery.drops(at(81)), None);
}

#[test]
fn what_a_feed_dropped_before_it_was_first_heard_of_is_old_unless_it_is_young() {
    let mut delivery = Delivery::default();
    told(&mut delivery, 30, 500, 1_000);
    assert_eq!(delivery.drops(at(30)).map(|drops| (drops.ticks, drops.of)), Some((500, 1_000)), "30 s old");
    let mut again = stats("feed-1", 35, Report::Feed(feed(35)));
    again.started_at = at(34);
    delivery.feed(&again, at(35));
    assert_eq!(delivery.drops(at(35)), None, "another life");
    let mut old = Delivery::default();
    told(&mut old, 90_000, 500, 1_000_000);
    assert_eq!(old.drops(at(90_000)), None, "yesterday, or a minute ago: nobody knows");
    told(&mut old, 90_001, 507, 1_000_100);
    assert_eq!(old.drops(at(90_001)).map(|drops| (drops.ticks, drops.of)), Some((7, 100)));
    told(&mut old, 90_500, 507, 1_000_200);
    assert_eq!((old.drops(at(90_500)), old.feeds.len()), (None, 1));
}

#[test]
fn one_that_waits_for_an_answer_lets_the_others_pass_and_is_not_stored() {
    let mut delivery = Delivery::default();
    for stage in [Stage::Published, Stage::Stored] {
        delivery.read(stage, Reading::of_oldest(None, 0, at(100)));
    }
    assert_eq!(delivery.stored_until(at(100)), None, "nothing is known of the judged stage");
    let asked = Reading { behind: Duration::ZERO, ..Reading::of_oldest(Some(at(80)), 1, at(100)) };
    delivery.read(Stage::Judged, asked);
    assert_eq!((delivery.late(Stage::Stored, at(100)), delivery.stored_until(at(101))), (None, Some(at(80))));
    delivery.read(Stage::Judged, Reading::of_oldest(None, 0, at(102)));
    assert_eq!(
        delivery.stored_until(at(103)),
        Some(at(100)),
        "what came after the earliest look is not known of"
    );
}

#[test]
fn what_was_passed_over_is_told_for_a_minute_and_added_up() {
    let mut delivery = Delivery::default();
    delivery.skip(100, at(0));
    delivery.skip(50, at(30));
    assert_eq!(delivery.skipped(at(90)), Some((150, at(30))));
    assert_eq!(delivery.skipped(at(91)), None);
    delivery.skip(7, at(100));
    assert_eq!(delivery.skipped(at(100)), Some((7, at(100))));
}
