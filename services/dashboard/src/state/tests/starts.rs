//! What the fold says while it starts, and of processes that start.
//!
//! Knows: made-up words of services. Never: a server.

use super::*;

fn hear_everybody_but_the_writer(fold: &mut Projection, second: i64) {
    for word in everybody(second).into_iter().filter(|word| word.service != Service::Writer) {
        fold.stats(word, at(second));
    }
}

#[test]
fn before_anything_is_known_everything_is_unknown_first_starting_and_after_15_s_down() {
    let fold = Projection::new(at(0));
    let health = fold.health(at(14));
    let who: Vec<&str> = health.problems.iter().map(|problem| problem.who.as_str()).collect();
    assert_eq!(who, ["bus", "database", "feed", "processor", "writer", "dashboard"]);
    assert_eq!((health.trust, health.is_healthy()), (Trust::Starting, false));
    assert_eq!(fold.health(at(15)).trust, Trust::Down);
}

#[test]
fn what_is_known_to_be_broken_is_down_even_at_the_start() {
    let mut fold = Projection::new(at(0));
    fold.bus.told(Err("no server answers".to_owned()), at(1));
    assert_eq!(fold.health(at(1)).trust, Trust::Starting, "the bus may start at the same time");
    fold.bus.told(Ok(()), at(2));
    fold.bus.told(Err("gone".to_owned()), at(3));
    assert_eq!(fold.health(at(3)).trust, Trust::Down);
    let mut fold = Projection::new(at(0));
    fold.bus.told(Ok(()), at(0));
    let mut report = FeedReport { last_data_at: None, ..feed(0) };
    report.sockets[0].state = SocketState::Connecting;
    for word in everybody(1).into_iter().skip(1).chain([stats("feed-1", 1, Report::Feed(report.clone()))]) {
        fold.stats(word, at(1));
    }
    assert_eq!(fold.health(at(1)).trust, Trust::Starting, "its first socket is just being opened");
    report.sockets[0].problem = Some("connection refused".to_owned());
    fold.stats(stats("feed-1", 2, Report::Feed(report)), at(2));
    assert_eq!(fold.health(at(2)).trust, Trust::Down);
}

#[test]
fn who_is_missing_but_for_live_data_is_waited_for_at_the_start_and_degrades_later() {
    let mut fold = Projection::new(at(0));
    for second in [1, 15] {
        fold.bus.told(Ok(()), at(second));
        fold.database.told(Ok(()), at(second));
        hear_everybody_but_the_writer(&mut fold, second);
    }
    assert_eq!(fold.health(at(14)).trust, Trust::Starting);
    assert_eq!(fold.health(at(15)).trust, Trust::Degraded);
}

#[test]
fn events_from_before_the_start_are_read_when_the_first_of_afterwards_comes() {
    let mut fold = Projection::new(at(1));
    assert!(fold.is_catching_up(at(2)));
    fold.tick(price_change(1), at(2));
    assert!(fold.is_catching_up(at(2)), "it was received at second 0");
    fold.tick(judged_trade(1, Verdict::Clean), at(2));
    assert!(!fold.is_catching_up(at(2)), "however many are still to come");
    assert!(!Projection::new(at(1)).is_catching_up(at(16)), "a quiet bus tells nothing");
}

#[test]
fn a_killed_and_replaced_process_is_a_restart_with_its_time_and_nobody_s_trouble() {
    let mut fold = well();
    let word = |name: &str, started: i64, second: i64| {
        let mut word = stats(name, second, Report::Writer(WriterReport::default()));
        word.started_at = at(started);
        word
    };
    fold.stats(word("writer-1", 0, 10), at(10));
    for second in 12..=30 {
        fold.bus.told(Ok(()), at(second));
        hear_everybody_but_the_writer(&mut fold, second);
        fold.stats(word("writer-2", 11, second), at(second));
        fold.settle(at(second));
        let health = fold.health(at(second));
        assert_eq!((health.trust, health.notices), (Trust::Trustworthy, vec![]), "at second {second}");
    }
    let told: Vec<_> = fold
        .fleet
        .restarts()
        .map(|one| (one.service, one.at, one.instance.as_str(), one.before.as_str()))
        .collect();
    assert_eq!(told, [(Service::Writer, at(11), "writer-2", "writer-1")]);
    let shown: Vec<&str> =
        fold.fleet.current(Service::Writer).map(|one| one.stats.instance.as_str()).collect();
    assert_eq!(shown, ["writer-2"], "in the path and among the sockets");
    // It kept its name.
    fold.stats(word("writer-2", 31, 32), at(32));
    assert_eq!(
        fold.fleet.restarts().next().map(|one| (one.at, one.before.as_str())),
        Some((at(31), "writer-2"))
    );
    fold.settle(at(31 + 3_600));
    assert_eq!(fold.fleet.restarts().count(), 0);
}

#[test]
fn a_process_that_is_silent_while_another_ran_before_is_unknown_and_one_start_replaces_one() {
    let mut fold = well();
    let word = |name: &str, started: i64, second: i64| {
        let mut word = stats(name, second, Report::Writer(WriterReport::default()));
        word.started_at = at(started);
        word
    };
    for name in ["writer-1", "writer-2", "writer-3"] {
        fold.stats(word(name, 0, 10), at(10));
    }
    for second in 11..=20 {
        fold.bus.told(Ok(()), at(second));
        hear_everybody_but_the_writer(&mut fold, second);
        fold.stats(word("writer-3", 0, second), at(second));
        fold.stats(word("writer-4", 12, second), at(second));
        fold.settle(at(second));
    }
    assert_eq!(fold.health(at(20)).notices, [problem("writer-2", "unknown: last heard of 10 s ago")]);
    fold.stats(word("writer-1", 0, 21), at(21));
    fold.bus.told(Ok(()), at(26));
    fold.settle(at(26));
    let silent: Vec<String> = fold.health(at(26)).notices.into_iter().map(|notice| notice.who).collect();
    assert!(silent.contains(&"writer-1".to_owned()), "it spoke again and fell silent again: {silent:?}");
}

#[test]
fn counters_say_since_when_they_count() {
    let mut fold = well();
    let mut word = stats("processor-2", 40, processor(5, 2));
    word.started_at = at(30);
    let since = |fold: &Projection| fold.fleet.counted_since(Service::Processor);
    let mut late = Projection::new(at(35));
    assert_eq!(since(&late), None);
    late.stats(word.clone(), at(40));
    assert_eq!(since(&late), Some(at(30)), "of what was before it knows nothing");
    fold.stats(word, at(40));
    fold.settle(at(70));
    assert_eq!(fold.fleet.of(Service::Processor).count(), 1);
    assert_eq!(since(&fold), Some(at(0)), "what the other had counted is in it");
}
