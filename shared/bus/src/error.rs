//! What can go wrong on the bus.
//!
//! Knows: which failures may pass by themselves. Never: how long to wait for that.

use std::time::Duration;

/// The text of an outside error; the types behind it differ from call to call.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A failed operation on the bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No server answered at the address, or it refused the login.
    #[error("no bus at `{url}`")]
    Connect {
        /// The address, without a password.
        url: String,
        /// What the client said.
        #[source]
        source: Cause,
    },
    /// The server does not know the login, or not with this password.
    #[error("the bus at `{url}` refuses the login{}: NATS_USER or its password is not the server's", of(.user.as_deref()))]
    Login {
        /// The address, without a password.
        url: String,
        /// `NATS_USER`.
        user: Option<String>,
    },
    /// The server refuses a subject, which the login lacks the right to, or the login itself.
    #[error("the bus refuses us a right (deploy/nats/accounts.conf): {what}")]
    Refused {
        /// The server's words, which name the subject.
        what: String,
    },
    /// The client has given up.
    #[error("the connection to the bus is closed for good")]
    Closed,
    /// The client's own connection is down; it is trying again.
    #[error("the bus is away")]
    Lost,
    /// The server is too old for what the pipeline relies on.
    #[error("nats-server {found} is too old: {needed} or later is needed")]
    TooOld {
        /// Version of the server.
        found: String,
        /// Oldest version that is good enough.
        needed: &'static str,
    },
    /// The file of credentials or of certificates could not be read.
    #[error("the file `{path}` could not be read")]
    Credentials {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A stream or consumer could not be declared or reached.
    #[error("`{what}` could not be declared or reached")]
    Declare {
        /// Its name.
        what: String,
        /// What the server or the client said.
        #[source]
        source: Cause,
    },
    /// A message was not sent: its id or a header holds characters that would break the protocol.
    #[error("a header of the message for `{subject}` is not plain text")]
    Header {
        /// Its subject.
        subject: String,
    },
    /// A message may or may not have been stored: publish it again, its id makes that harmless.
    #[error("no acknowledgement for `{subject}`")]
    Unacknowledged {
        /// Its subject.
        subject: String,
        /// What the client said.
        #[source]
        source: Cause,
    },
    /// The stream holds as much as it may, or the message is too large for it.
    #[error("the stream behind `{subject}` takes no more")]
    Full {
        /// The subject of the message.
        subject: String,
        /// What the server said.
        #[source]
        source: Cause,
    },
    /// A delivery, a listener or a follower broke off.
    #[error("reading `{what}` broke off")]
    Read {
        /// The consumer or subject.
        what: String,
        /// What the client said.
        #[source]
        source: Cause,
    },
    /// The client did not take the message within the time limit: the bus is away.
    #[error("the bus took no `{what}` within {waited:?}")]
    Away {
        /// What was to be done.
        what: String,
        /// How long it was tried.
        waited: Duration,
    },
}

impl BusError {
    /// Whether the same call may succeed later without anybody changing a setting.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Login { .. }
            | Self::Refused { .. }
            | Self::Lost
            | Self::Declare { .. }
            | Self::Unacknowledged { .. }
            | Self::Full { .. }
            | Self::Read { .. }
            | Self::Away { .. } => true,
            Self::TooOld { .. } | Self::Credentials { .. } | Self::Header { .. } | Self::Closed => false,
        }
    }
}

fn of(user: Option<&str>) -> String {
    user.map(|user| format!(" `{user}`")).unwrap_or_default()
}
