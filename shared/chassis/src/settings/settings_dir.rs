//! Settings that lie in a folder, one a file, such as a mounted `ConfigMap`.
//!
//! Knows: files that are named like settings. Never: which settings there are.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The setting that names the folder.
pub(super) const NAME: &str = "SETTINGS_DIR";

/// Longest text of a file, in bytes: that of a secret's file.
const TEXT_MAX: u64 = 64 * 1024;

/// Name and text of each setting in `folder`, without the last line break. Files with other names are passed over.
///
/// # Errors
/// When the folder or one of these files cannot be read, or is not UTF-8.
pub(super) fn read(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let mut settings = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().filter(|name| is_name(name)).map(str::to_owned) else {
            continue;
        };
        let mut text = String::new();
        File::open(entry.path())?.take(TEXT_MAX).read_to_string(&mut text)?;
        let kept = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(kept);
        settings.push((name, text));
    }
    Ok(settings)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_named_like_settings_are_read_and_others_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("NATS_URL", "nats://bus:4222\n"), (".hidden", "x"), ("lost+found", "x")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::create_dir(folder.path().join("..data")).unwrap();
        let expected = ("NATS_URL".to_owned(), "nats://bus:4222".to_owned());
        assert_eq!(read(folder.path()).unwrap(), [expected]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("absent")).is_err());
    }
}
