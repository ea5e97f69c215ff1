//! What a scenario file may say.
//!
//! Knows: names, defaults, ranges. Never: a run.

use super::*;

#[test]
fn every_scenario_that_comes_with_the_program_can_be_read() {
    for name in names() {
        let scenario = Scenario::named(name).unwrap();
        assert_eq!(scenario.name, name);
        assert!(scenario.about.len() > 20, "{name} says what it shows");
    }
    assert_eq!(names().len(), 26);
}

#[test]
fn calm_demo_and_the_whole_venue_run_without_end_and_the_others_end() {
    for name in names() {
        let endless = Scenario::named(name).unwrap().duration_s.is_none();
        assert_eq!(endless, ["calm", "demo", "whole-venue"].contains(&name), "{name}");
    }
}

#[test]
fn all_faults_of_a_scenario_are_told_at_once() {
    let text = "{\"name\":\"bad\",\"about\":\"\",\"seed\":1,\"markets\":0,\"rate_per_s\":0,\"duration_s\":null,\
                \"injections\":[{\"what\":\"trade\",\"count\":3},{\"what\":\"garbage\"}]}";
    let error = Scenario::read("bad", text).unwrap_err().to_string();
    for part in ["markets must", "rate_per_s must", "count needs a duration", "either every_s or count"] {
        assert!(error.contains(part), "{error} lacks {part}");
    }
}

#[test]
fn what_a_scenario_leaves_out_has_its_default_and_limits_are_held() {
    let calm = Scenario::named("calm").unwrap();
    assert_eq!((calm.reserved, calm.dump_lag_ms, calm.poison_tokens), (16, 0, 0));
    assert!(calm.missing_books.is_empty() && calm.connects_per_s.is_none() && !calm.v1_gone);
    assert_eq!(Scenario::named("slow-rest").unwrap().faults[0].mode, FaultMode::Slow(2_000));
    let at = |reserved, dump_lag_ms| Scenario { reserved, dump_lag_ms, ..calm.clone() }.checked();
    assert!(at(36_000, 60_000).is_ok());
    let error = at(36_001, 60_001).unwrap_err().to_string();
    assert!(error.contains("reserved must") && error.contains("dump_lag_ms must"), "{error}");
    let windows = |listed, later| {
        let updown = UpDown { assets: 8, window_s: 300, listed, later, resolve_after_s: 0 };
        Scenario { updown: Some(updown), ..calm.clone() }.checked()
    };
    assert!(windows(1, 287).is_ok() && windows(1, 288).is_err() && windows(0, 1).is_err());
    let odd = |burst, elements| {
        let mut odd = Scenario::named("odd-frames").unwrap();
        (odd.injections[0].burst, odd.injections[0].elements) = (burst, elements);
        odd.checked()
    };
    assert!(odd(BURST_MAX, ELEMENTS_MAX).is_ok());
    assert!(odd(BURST_MAX + 1, 1).is_err() && odd(1, ELEMENTS_MAX + 1).is_err() && odd(1, 0).is_err());
}

#[test]
fn an_unknown_name_and_an_unknown_member_are_refused() {
    assert!(matches!(Scenario::named("no-such-thing"), Err(ScenarioError::Unknown { .. })));
    assert!(matches!(Scenario::read("x", "{\"surprise\":1}"), Err(ScenarioError::Unreadable { .. })));
}
