//! What went wrong, as one sentence a person can act on.
//!
//! Knows: sentences and their causes. Never: which verb failed or how it is printed.

use std::io;

/// A failure, told in one sentence that names the remedy where there is one.
///
/// Callers of this crate never choose by kind of failure: they print it and end. Hence one type.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Fault {
    /// One sentence, without a full stop at the end.
    pub sentence: String,
    #[source]
    source: Option<io::Error>,
}

/// Receives lines of progress, one sentence each, as they happen.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

impl Fault {
    /// A fault without a deeper cause.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), source: None }
    }

    /// A fault caused by the operating system. A full disk gets its own remedy.
    pub fn io(sentence: impl Into<String>, source: io::Error) -> Self {
        let mut sentence = sentence.into();
        if source.kind() == io::ErrorKind::StorageFull {
            sentence.push_str(" because the disk is full: free some space and try again");
        }
        Self { sentence, source: Some(source) }
    }

    /// The sentence with its cause, as it is printed.
    pub fn chain(&self) -> String {
        match &self.source {
            Some(source) => format!("{}: {source}", self.sentence),
            None => self.sentence.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_follows_the_sentence_once() {
        let fault = Fault::io("could not read x", io::Error::other("no luck"));
        assert_eq!(fault.to_string(), "could not read x");
        assert_eq!(fault.chain(), "could not read x: no luck");
        assert_eq!(Fault::new("plain").chain(), "plain");
    }

    #[test]
    fn full_disk_names_its_remedy() {
        let fault = Fault::io("could not write x", io::Error::from(io::ErrorKind::StorageFull));
        assert!(fault.sentence.contains("free some space"), "{fault}");
    }
}
