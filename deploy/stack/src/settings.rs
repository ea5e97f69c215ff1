//! Settings that are chosen at the first start and kept with the data.
//!
//! Knows: a folder with one file a setting, as `SETTINGS_DIR` reads it. Never: what a setting is for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::fault::{Fault, Progress};

/// Written last: the choice is made. No service takes a hidden file for a setting.
const KEPT: &str = ".kept";

/// Keeps `chosen` in `folder` at the first start; later it only sees that the choice is still the same.
/// Nothing chosen agrees with whatever was chosen first.
///
/// # Errors
/// When the folder cannot be read or written, or another choice was made first.
pub fn keep(folder: &Path, chosen: &BTreeMap<String, String>, say: Progress<'_>) -> Result<(), Fault> {
    let told = |source| Fault::io(format!("could not keep settings in `{}`", folder.display()), source);
    if !folder.join(KEPT).try_exists().map_err(told)? {
        for (name, value) in chosen {
            fs::write(folder.join(name), value).map_err(told)?;
        }
        fs::write(folder.join(KEPT), "").map_err(told)?;
        say(&format!("settings kept: {}", names(chosen)));
        return Ok(());
    }
    let mut kept = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(told)? {
        let name = entry.map_err(told)?.file_name().to_string_lossy().into_owned();
        if is_name(&name) {
            let value = fs::read_to_string(folder.join(&name)).map_err(told)?;
            kept.insert(name, value);
        }
    }
    if chosen.is_empty() || *chosen == kept {
        say(&format!("settings as before: {}", names(&kept)));
        return Ok(());
    }
    Err(Fault::new(format!(
        "this stack was first started with other settings ({}), and its data goes with them: end it with its \
         volumes (`docker compose --profile demo down --volumes`), or start another beside it (`-p NAME`)",
        names(&kept)
    )))
}

/// Whether a setting may be called that.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn names(settings: &BTreeMap<String, String>) -> String {
    if settings.is_empty() {
        return "none, so the defaults hold".to_owned();
    }
    settings.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(_: &str) {}

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn first_choice_is_kept_and_another_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let demo = map(&[("VENUE_URL", "http://venue-sim"), ("PAUSE_S", "5")]);
        keep(folder.path(), &demo, &silent).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("VENUE_URL")).unwrap(), "http://venue-sim");
        keep(folder.path(), &demo, &silent).unwrap();
        keep(folder.path(), &BTreeMap::new(), &silent).unwrap();
        let fault = keep(folder.path(), &map(&[("VENUE_URL", "http://venue-sim")]), &silent).unwrap_err();
        assert!(fault.sentence.contains("PAUSE_S, VENUE_URL"), "{fault}");
    }

    #[test]
    fn defaults_are_a_choice_too() {
        let folder = tempfile::tempdir().unwrap();
        keep(folder.path(), &BTreeMap::new(), &silent).unwrap();
        keep(folder.path(), &BTreeMap::new(), &silent).unwrap();
        assert!(keep(folder.path(), &map(&[("VENUE_URL", "x")]), &silent).is_err());
    }

    #[test]
    fn folder_that_is_not_there_is_named() {
        let fault = keep(Path::new("/nowhere"), &BTreeMap::new(), &silent).unwrap_err();
        assert!(fault.sentence.contains("/nowhere"), "{fault}");
    }
}
