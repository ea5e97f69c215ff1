//! The task that makes a scenario happen.
//!
//! Knows: pacing, the length of a run, faults of REST. Never: what a frame looks like; it waits for no socket.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use crate::clock;
use crate::inject::{Effect, Injector};
use crate::rest::RestMode;
use crate::scenario::{Fault, Scenario};
use crate::shared::{Phase, Shared};
use crate::stream::Ordinary;

/// Between two turns of the generator. At 5,000 ticks a second one turn sends 50.
const TURN: Duration = Duration::from_millis(10);
/// What a stalled machine may catch up with, as a part of a second.
const CATCH_UP: i64 = 5;
/// Micro-ticks of one tick: the credit is counted in millionths, so that no rate is rounded.
const TICK: i64 = 1_000_000;
/// Between two looks at who listens.
const LOOK_EVERY_MS: u64 = 1_000;
/// How long what was put off may still happen after the end of a run.
const AFTERMATH: Duration = Duration::from_mins(1);

/// Runs a scenario to its end, or until it is halted.
pub(crate) async fn run(scenario: Scenario, shared: Arc<Shared>, at_first_books: bool) {
    if !shared.may_begin(at_first_books).await {
        shared.phase.send_replace(Phase::Over);
        return;
    }
    shared.phase.send_replace(Phase::Running);
    let begun_at = Instant::now();
    let mut ordinary = Ordinary::new(scenario.proportions, scenario.seed);
    let mut injector = Injector::new(&scenario, &shared.venue(), clock::now_ms());
    let mut faults = scenario.faults.iter().map(|fault| (*fault, false)).collect::<Vec<_>>();
    let length = scenario.duration_s.map(|seconds| Duration::from_secs(u64::from(seconds)));
    let mut credit = Credit { micro_ticks: 0, counted_at: begun_at };
    let mut look_at_ms = 0;
    let mut turns = interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shared.halt.cancelled() => break,
            _ = turns.tick() => {}
        }
        let elapsed = begun_at.elapsed();
        switch_faults(&mut faults, elapsed, &shared);
        let over = length.is_some_and(|length| elapsed >= length);
        if over && (injector.is_idle() || length.is_some_and(|length| elapsed >= length + AFTERMATH)) {
            break;
        }
        let now_ms = clock::now_ms();
        if over {
            injector.settle(&mut shared.venue(), now_ms);
            continue;
        }
        let effects = {
            let mut venue = shared.venue();
            venue.turn_windows(now_ms);
            if now_ms >= look_at_ms {
                venue.leave_unheard(now_ms);
                look_at_ms = now_ms + LOOK_EVERY_MS;
            }
            credit.earn(shared.rate.load(Ordering::Relaxed));
            while credit.micro_ticks >= TICK {
                let ticks = ordinary.step(&mut venue, now_ms);
                credit.micro_ticks -= TICK * i64::try_from(ticks).unwrap_or(1);
            }
            injector.step(&mut venue, now_ms)
        };
        for Effect::Cut(cut) in effects {
            shared.end_sockets(cut);
        }
    }
    injector.abandon(&mut shared.venue(), clock::now_ms());
    switch_faults(&mut faults, Duration::MAX, &shared);
    shared.phase.send_replace(Phase::Over);
}

/// How many ticks are due.
#[derive(Debug)]
struct Credit {
    micro_ticks: i64,
    counted_at: Instant,
}

impl Credit {
    fn earn(&mut self, rate_per_s: u32) {
        let elapsed = self.counted_at.elapsed();
        self.counted_at += elapsed;
        let micros = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        let rate = i64::from(rate_per_s);
        let most = (rate / CATCH_UP).max(1) * TICK;
        self.micro_ticks = self.micro_ticks.saturating_add(micros.saturating_mul(rate)).min(most);
    }
}

/// Turns each fault on at its begin and off at its end, once.
fn switch_faults(faults: &mut [(Fault, bool)], elapsed: Duration, shared: &Shared) {
    for (fault, on) in faults {
        let from = Duration::from_secs(u64::from(fault.from_s));
        let until = from + Duration::from_secs(u64::from(fault.for_s));
        let wanted = (from..until).contains(&elapsed);
        if wanted != *on {
            *on = wanted;
            let mode = if wanted { RestMode::from(fault.mode) } else { RestMode::Up };
            shared.desk.set(fault.service, mode);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stalled_generator_catches_up_with_a_fifth_of_a_second_at_most() {
        let long_ago = Instant::now().checked_sub(Duration::from_secs(30)).unwrap();
        let mut credit = Credit { micro_ticks: 0, counted_at: long_ago };
        credit.earn(1_000);
        assert_eq!(credit.micro_ticks, 200 * TICK);
    }
}
