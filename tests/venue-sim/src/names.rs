//! Invented ids, questions and outcomes.
//!
//! Knows: shapes of the venue's ids and neutral sentences. Never: a real market, a clock.

use std::fmt::Write;

use crate::units::push_hex;

/// Question and outcomes of an invented market.
#[derive(Debug)]
pub(crate) struct Wording {
    pub(crate) question: String,
    pub(crate) outcomes: [String; 2],
}

const PLACES: [&str; 12] = [
    "Northfield",
    "Lakeside",
    "Harbour Bay",
    "Eastmoor",
    "Silver Ridge",
    "Port Alder",
    "Westhaven",
    "Pinecrest",
    "Stonebridge",
    "Fairwater",
    "Redcliff",
    "Maple Valley",
];
const TEAMS: [&str; 10] =
    ["Otters", "Herons", "Pilots", "Comets", "Foxes", "Mariners", "Badgers", "Kites", "Rangers", "Falcons"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The wording of the market with this running number; two numbers never share a question.
pub(crate) fn wording(number: usize) -> Wording {
    let place = PLACES[number % PLACES.len()];
    let other = PLACES[(number / PLACES.len() + number + 1) % PLACES.len()];
    let team = TEAMS[number % TEAMS.len()];
    let rival = TEAMS[(number + 3) % TEAMS.len()];
    let month = MONTHS[(number / 3) % MONTHS.len()];
    let day = number % 28 + 1;
    let round = number / 5 + 1;
    let pair = |first: &str, second: &str| [first.to_owned(), second.to_owned()];
    let yes_no = pair("Yes", "No");
    let (question, outcomes) = match number % 5 {
        0 => (format!("Will it rain in {place} on {month} {day}? (day {round})"), yes_no),
        1 => (format!("Will {place} open its new tram line {round} by {month} {day}?"), yes_no),
        2 => {
            let [home, away] = [format!("{place} {team}"), format!("{other} {rival}")];
            (format!("{home} vs. {away}: game {round}"), [home, away])
        }
        3 => (
            format!("{place} Harbour Index up or down on {month} {day}? (session {round})"),
            pair("Up", "Down"),
        ),
        _ => (format!("{place} {team} vs. {other} {rival}, game {round}: O/U 2.5"), pair("Over", "Under")),
    };
    Wording { question, outcomes }
}

/// The question as part of an address: lower case, hyphens, unique by the running number.
pub(crate) fn slug(question: &str, number: usize) -> String {
    let mut slug = String::with_capacity(question.len() + 8);
    for character in question.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    write!(slug, "{}{number}", if slug.ends_with('-') { "" } else { "-" })
        .expect("writing to a String cannot fail");
    slug
}

/// `0x` and 64 hexadecimal digits: a condition id or a transaction hash.
pub(crate) fn hex_id(random: &mut fastrand::Rng) -> String {
    let mut bytes = [0_u8; 32];
    random.fill(&mut bytes);
    let mut id = String::with_capacity(66);
    id.push_str("0x");
    push_hex(&mut id, &bytes);
    id
}

/// A token id of 76 or 77 decimal digits.
pub(crate) fn token_id(random: &mut fastrand::Rng) -> String {
    let mut id = String::with_capacity(77);
    id.push(char::from(random.u8(b'1'..=b'9')));
    for _ in 0..random.usize(75..=76) {
        id.push(char::from(random.u8(b'0'..=b'9')));
    }
    id
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_of_many_markets_share_question_or_slug() {
        let mut questions = HashSet::new();
        let mut slugs = HashSet::new();
        for number in 0..5_000 {
            let wording = wording(number);
            assert_ne!(wording.outcomes[0], wording.outcomes[1], "{}", wording.question);
            slugs.insert(slug(&wording.question, number));
            questions.insert(wording.question);
        }
        assert_eq!((questions.len(), slugs.len()), (5_000, 5_000));
    }

    #[test]
    fn ids_have_the_shapes_of_the_venue() {
        let mut random = fastrand::Rng::with_seed(1);
        let id = hex_id(&mut random);
        assert!(id.len() == 66 && id[2..].bytes().all(|byte| byte.is_ascii_hexdigit()));
        let token = token_id(&mut random);
        assert!((76..=77).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_digit()));
    }
}
