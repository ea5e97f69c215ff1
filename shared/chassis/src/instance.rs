//! The name of this process among its siblings.
//!
//! Knows: the setting `INSTANCE`, the process id, chance. Never: what siblings there are.

use crate::instance_name::{LENGTH_MAX, is_usable};
use crate::settings;

/// Random digits behind the process id: containers often all have process id 1.
const RANDOM_DIGITS: usize = 6;

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The name of this process: `INSTANCE` where it is set and usable, else `<service>-<process id><random>`.
///
/// Shape: `^[a-z0-9-]{1,32}$`. An unusable `INSTANCE` is a fault of [`settings::Settings::finish`]; here it is passed over.
/// Call it once and keep the answer: the random part differs from call to call.
pub fn name(service: &str) -> String {
    match settings::of_this_process("INSTANCE") {
        Some(chosen) if is_usable(&chosen) => chosen,
        _ => made_up(service, std::process::id(), |count| fastrand::usize(0..count)),
    }
}

fn made_up(service: &str, process_id: u32, mut chance: impl FnMut(usize) -> usize) -> String {
    let mut tail = base36(process_id);
    tail.extend((0..RANDOM_DIGITS).map(|_| char::from(DIGITS[chance(DIGITS.len())])));
    let head: String = service
        .chars()
        .map(|letter| match letter.to_ascii_lowercase() {
            kept @ ('a'..='z' | '0'..='9') => kept,
            _ => '-',
        })
        .take(LENGTH_MAX - 1 - tail.len())
        .collect();
    format!("{head}-{tail}")
}

fn base36(mut number: u32) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from(DIGITS[(number % 36) as usize]));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_name_is_usable_and_begins_with_the_service() {
        let name = name("feed");
        assert!(is_usable(&name), "{name}");
        assert!(name.starts_with("feed-"), "{name}");
    }

    #[test]
    fn two_processes_with_the_same_id_get_different_names() {
        assert_ne!(name("feed"), name("feed"));
    }

    #[test]
    fn a_long_or_strange_service_still_gives_a_usable_name() {
        let name = made_up(&"Venue_Sim ".repeat(9), u32::MAX, |_| 35);
        assert!(is_usable(&name), "{name}");
        assert_eq!(name.len(), LENGTH_MAX);
    }

    #[test]
    fn the_process_id_is_written_in_base_36() {
        assert_eq!(base36(0), "0");
        assert_eq!(base36(35), "z");
        assert_eq!(base36(36), "10");
        assert_eq!(base36(u32::MAX), "1z141z3");
    }
}
