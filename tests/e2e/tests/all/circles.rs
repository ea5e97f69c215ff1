//! No circle among the modules of a crate: who reads one file never has to read all of them first.
//!
//! Knows: files, and the paths that they name. Never: what stands behind a path.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::tidy::{packages, sources, text};

/// Which modules of its crate each module names; its own parents and children do not count.
type Arrows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn modules_of_a_crate_go_round_in_no_circle() {
    let (mut circles, mut seen) = (Vec::new(), 0);
    for package in packages() {
        let manifest = Path::new(text(&package, "manifest_path"));
        let src = manifest.parent().expect("a manifest lies in a folder").join("src");
        let files = sources().into_iter().filter_map(|path| {
            let module = module_of(path.strip_prefix(&src).ok()?)?;
            Some((module, std::fs::read_to_string(&path).expect("a source")))
        });
        let files: BTreeMap<String, String> = files.collect();
        seen += files.len();
        let (small, large) = (arrows(&files), arrows_of_families(&files));
        if let Some(circle) = circle_in(&small).or_else(|| circle_in(&large)) {
            circles.push(format!("{}: {}", text(&package, "name"), circle.join(" -> ")));
        }
    }
    assert!(seen > 200, "only {seen} modules were looked at");
    assert_eq!(circles, Vec::<String>::new());
}

#[test]
fn a_circle_is_seen_however_it_is_written() {
    let crate_of = |files: &[(&str, &str)]| {
        arrows(&files.iter().map(|(module, text)| ((*module).to_owned(), (*text).to_owned())).collect())
    };
    for (one, other) in [
        ("use crate::b::B;", "use crate::a::A;"),
        ("fn f() { crate::b::g() }", "use crate::{a, c};"),
        ("use crate::{c, b::{B, C}};", "pub use super::a::A;"),
        ("use crate::b::*;", "#[cfg(test)]\nmod tests;\nuse crate::a::f::<u8>;"),
    ] {
        let arrows = crate_of(&[("", "mod a; mod b;"), ("a", one), ("b", other), ("c", "")]);
        assert_eq!(circle_in(&arrows).expect("a circle").len(), 3, "{one} {other}");
    }
    let three = crate_of(&[("a", "use crate::b;"), ("b", "use crate::c::x;"), ("c", "use crate::a;")]);
    assert_eq!(circle_in(&three).expect("a circle").len(), 4);
    for (one, other) in [
        ("use crate::b::B;", ""),
        // Tests of a module may name whom they like; so may words in a text about it.
        ("use crate::b::B;", "#[cfg(test)]\nmod tests { use crate::a::A; }"),
        ("use crate::b::B;", "//! See `crate::a`.\n/// And [`crate::a::A`]."),
    ] {
        assert_eq!(circle_in(&crate_of(&[("a", one), ("b", other)])), None, "{one} {other}");
    }
    let family = crate_of(&[("a", "mod b; use b::B;"), ("a::b", "use super::A; use crate::a::A;")]);
    assert_eq!(circle_in(&family), None, "a module and its parent are one thing");
    let through = [("a", "use crate::b::B;"), ("a::x", ""), ("b", "use crate::a::x::X;")];
    let through = through.iter().map(|(module, text)| ((*module).to_owned(), (*text).to_owned())).collect();
    assert_eq!(circle_in(&arrows(&through)), None);
    assert!(circle_in(&arrows_of_families(&through)).is_some(), "so they are to others");
}

/// `a::b` for `a/b.rs`, nothing for `lib.rs`; none for a program, which is a crate of its own.
fn module_of(path: &Path) -> Option<String> {
    let path = path.to_str()?.strip_suffix(".rs")?;
    match path {
        "lib" => Some(String::new()),
        "main" => None,
        path if path.starts_with("bin/") => None,
        path => Some(path.strip_suffix("/mod").unwrap_or(path).replace('/', "::")),
    }
}

fn arrows(files: &BTreeMap<String, String>) -> Arrows {
    let is_family = |one: &str, other: &str| {
        one == other || other.is_empty() || one.is_empty() || {
            let below =
                |high: &str, low: &str| low.strip_prefix(high).is_some_and(|rest| rest.starts_with("::"));
            below(one, other) || below(other, one)
        }
    };
    let named = |(module, content): (&String, &String)| {
        let paths = paths_in(content, module);
        let to = paths.iter().filter_map(|path| module_named(path, files));
        let others = to.filter(|to| !is_family(module, to)).collect();
        (module.clone(), others)
    };
    files.iter().map(named).collect()
}

/// The same among the modules of the highest level, each with all below it.
fn arrows_of_families(files: &BTreeMap<String, String>) -> Arrows {
    let family = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
    let mut all = Arrows::new();
    for (module, content) in files.iter().filter(|(module, _)| !module.is_empty()) {
        let own = family(module);
        let paths = paths_in(content, module);
        let to = paths.iter().filter_map(|path| module_named(path, files)).map(|to| family(&to));
        all.entry(own.clone()).or_default().extend(to.filter(|to| !to.is_empty() && *to != own));
    }
    all
}

/// The module that a path leads into: the longest beginning that is one.
fn module_named(path: &str, files: &BTreeMap<String, String>) -> Option<String> {
    let mut path = path;
    loop {
        if files.contains_key(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    }
}

/// Every path from the root of the crate that a file names outside of comments and of its tests.
fn paths_in(content: &str, module: &str) -> Vec<String> {
    let lines = content.lines().map(|line| line.split("//").next().unwrap_or_default());
    let all: String = lines.flat_map(|line| [line, " "]).collect();
    let mut parts = all.split("#[cfg(test)]");
    let mut code = parts.next().unwrap_or_default().to_owned();
    code.extend(parts.map(behind_item));
    let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent);
    let mut paths = Vec::new();
    for (word, base) in [("crate::", ""), ("super::", parent)] {
        for (at, _) in code.match_indices(word) {
            let before = code[..at].chars().next_back();
            if before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_' && letter != ':') {
                branch(&code[at + word.len()..], base, &mut paths);
            }
        }
    }
    paths
}

/// What stands behind the first item of a text.
fn behind_item(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth <= 1 => return &text[at + 1..],
            '}' => depth -= 1,
            ';' if depth == 0 => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// Reads `a::b`, `a::{b, c::d}` or `{a, b}` behind `base`; what is left of the text.
fn branch<'a>(text: &'a str, base: &str, paths: &mut Vec<String>) -> &'a str {
    let join = |name: &str| if base.is_empty() { name.to_owned() } else { format!("{base}::{name}") };
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = branch(rest.trim_start(), base, paths).trim_start();
            match rest.strip_prefix(',') {
                Some(more) if !more.trim_start().starts_with('}') => rest = more,
                Some(more) => return more.trim_start().strip_prefix('}').unwrap_or(more),
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        // A star, or a turbofish behind a name.
        paths.push(base.to_owned());
        return text.strip_prefix('*').unwrap_or("");
    }
    if let Some(further) = rest.strip_prefix("::") {
        return branch(further, &join(name), paths);
    }
    paths.push(join(name));
    // `a as b`
    rest.trim_start().strip_prefix("as ").map_or(rest, |other| {
        other.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_')
    })
}

/// A way from a module back to itself.
fn circle_in(arrows: &Arrows) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|module| walk(module, arrows, &mut Vec::new(), &mut done))
}

fn walk(
    module: &str,
    arrows: &Arrows,
    way: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(at) = way.iter().position(|before| before == module) {
        way.push(module.to_owned());
        return Some(way.split_off(at));
    }
    if !done.insert(module.to_owned()) {
        return None;
    }
    way.push(module.to_owned());
    let found = arrows.get(module)?.iter().find_map(|next| walk(next, arrows, way, done));
    way.pop();
    found
}
