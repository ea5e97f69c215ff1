//! Files that programs print into, kept small.
//!
//! Knows: `.local/log/<name>.log` and its predecessor `<name>.log.1`. Never: what the lines mean.

use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::fault::Fault;

/// A log that grew past this is moved aside; with its predecessor it holds twice as much.
pub const SIZE_MAX_BYTES: u64 = 20 * 1024 * 1024;
/// The end of a log in which its last line is looked for.
const TAIL_BYTES: u64 = 64 * 1024;

/// The log called `name` in `folder`.
pub fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

/// Moves the log of an earlier run aside, so that a start begins an empty one.
///
/// # Errors
/// When the file is there and cannot be moved.
pub fn rotate(log: &Path) -> Result<(), Fault> {
    match fs::rename(log, predecessor(log)) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(Fault::io(format!("could not move the log `{}` aside", log.display()), source))
        }
        _ => Ok(()),
    }
}

/// Copies a log past `size_max_bytes` aside and empties it. The program that writes it keeps its
/// open file and, since it appends, goes on at the start. Lines written in between are lost.
///
/// # Errors
/// When the copy fails; a full disk still gets the log emptied.
pub fn cap(log: &Path, size_max_bytes: u64) -> Result<(), Fault> {
    let size_bytes = match fs::metadata(log) {
        Ok(metadata) => metadata.len(),
        Err(_) => return Ok(()),
    };
    if size_bytes <= size_max_bytes {
        return Ok(());
    }
    let copied = fs::copy(log, predecessor(log));
    let emptied = fs::OpenOptions::new().write(true).open(log).and_then(|file| file.set_len(0));
    copied
        .and(emptied)
        .map_err(|source| Fault::io(format!("could not shorten the log `{}`", log.display()), source))
}

/// The last line that is not blank; empty when there is none.
pub fn last_line(log: &Path) -> String {
    last_lines(log, 1).pop().unwrap_or_default()
}

/// The last `count` lines that are not blank, the oldest first; only the end of a long log is read.
pub fn last_lines(log: &Path, count: usize) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(log)?;
        let size_bytes = file.metadata()?.len();
        file.seek(SeekFrom::Start(size_bytes.saturating_sub(TAIL_BYTES)))?;
        let mut tail = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&tail);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
}

/// Reads the lines that were added to a log since it was last asked.
#[derive(Debug)]
pub struct Follower {
    log: PathBuf,
    offset: u64,
    part: String,
}

impl Follower {
    /// Follows `log` from its present end.
    pub fn at_end(log: PathBuf) -> Self {
        let offset = fs::metadata(&log).map_or(0, |metadata| metadata.len());
        Self { log, offset, part: String::new() }
    }

    /// Whole lines added since; starts over where the log was emptied or replaced.
    pub fn added(&mut self) -> Vec<String> {
        let Ok(mut file) = fs::File::open(&self.log) else {
            return Vec::new();
        };
        let size_bytes = file.metadata().map_or(0, |metadata| metadata.len());
        if size_bytes < self.offset {
            self.offset = 0;
            self.part.clear();
        }
        let mut added = Vec::new();
        let read = file
            .seek(SeekFrom::Start(self.offset))
            .and_then(|_| file.take(SIZE_MAX_BYTES).read_to_end(&mut added));
        self.offset += u64::try_from(read.unwrap_or(0)).unwrap_or(0);
        self.part.push_str(&String::from_utf8_lossy(&added));
        let Some(end) = self.part.rfind('\n') else {
            return Vec::new();
        };
        let rest = self.part.split_off(end + 1);
        let whole = std::mem::replace(&mut self.part, rest);
        whole.lines().map(str::to_owned).collect()
    }
}

fn predecessor(log: &Path) -> PathBuf {
    log.with_extension("log.1")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn log_with(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let log = path(folder.path(), "feed");
        fs::write(&log, text).unwrap();
        (folder, log)
    }

    #[test]
    fn start_moves_the_old_log_aside() {
        let (folder, log) = log_with("old\n");
        rotate(&log).unwrap();
        assert!(!log.exists());
        assert_eq!(fs::read_to_string(folder.path().join("feed.log.1")).unwrap(), "old\n");
        rotate(&log).unwrap();
    }

    #[test]
    fn log_at_its_limit_stays_and_one_byte_more_empties_it() {
        let (folder, log) = log_with("12345\n");
        cap(&log, 6).unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "12345\n");
        cap(&log, 5).unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "");
        assert_eq!(fs::read_to_string(folder.path().join("feed.log.1")).unwrap(), "12345\n");
        cap(&folder.path().join("absent.log"), 5).unwrap();
    }

    #[test]
    fn last_line_skips_blank_ones() {
        let (folder, log) = log_with("one\ntwo\n\n  \n");
        assert_eq!(last_line(&log), "two");
        assert_eq!(last_lines(&log, 5), ["one", "two"]);
        assert_eq!(last_line(&folder.path().join("absent.log")), "");
    }

    #[test]
    fn follower_yields_whole_lines_and_starts_over_when_emptied() {
        let (_folder, log) = log_with("before\n");
        let mut follower = Follower::at_end(log.clone());
        assert!(follower.added().is_empty());
        let append = |text: &str| {
            fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(text.as_bytes()).unwrap();
        };
        append("one\ntw");
        assert_eq!(follower.added(), ["one"]);
        append("o\n");
        assert_eq!(follower.added(), ["two"]);
        fs::write(&log, "new\n").unwrap();
        assert_eq!(follower.added(), ["new"]);
    }
}
