//! One connection to the bus.
//!
//! Knows: address, login, version of the server. Never: a second attempt; the client itself reconnects
//! once a first connection stood.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, ConnectErrorKind, ConnectOptions};
use chassis::future::Boxed;
use chassis::settings::Settings;
use contract::stats::{Backlog, Service};
use tracing::{info, warn};

use crate::connection_health::{Alive, ConnectionHealth};
use crate::declared::Declared;
use crate::error::BusError;
use crate::topology::{self, Limits, SharedConsumer, declare_error};

/// Longest wait for one answer of the server.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait for the TCP connection and the greeting.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// A dead connection is noticed after two missed pings; the default of 60 s never noticed a 35 s outage.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Longest pause between two attempts of the client to reconnect.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Publishes whose acknowledgement is outstanding on one connection.
const UNACKNOWLEDGED_MAX: usize = 8_192;
/// Oldest server that has everything the pipeline uses.
const SERVER_MIN: (u64, u64) = (2, 10);
/// From this version on the server reports disk failures and closes known holes.
const SERVER_ADVISED: (u64, u64, u64) = (2, 12, 7);

/// Where the bus is and how much it may hold.
#[derive(Clone)]
pub struct Config {
    /// `NATS_URL`: one address, or several with commas.
    pub url: String,
    /// `NATS_USER`.
    pub user: Option<String>,
    /// `NATS_PASSWORD`.
    pub password: Option<String>,
    /// `NATS_CREDS`: path of a credentials file.
    pub creds: Option<PathBuf>,
    /// `NATS_CA_FILE`: certificates to trust; with it nothing is sent without TLS.
    pub ca_file: Option<PathBuf>,
    /// Whose streams and consumers are declared; none: everybody's, for tools and tests.
    pub service: Option<Service>,
    /// The instance, as the server's connection list shows it.
    pub name: String,
    /// How much the streams may hold, should they have to be made.
    pub limits: Limits,
}

/// A connection with its streams and consumers declared. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Bus {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    pub(crate) limits: Limits,
    pub(crate) service: Option<Service>,
    pub(crate) declared: Declared,
    standing: ConnectionHealth,
}

impl Bus {
    /// Connects, checks the server's version and declares what is missing of the service's own; one attempt.
    ///
    /// # Errors
    /// When no server answers within 5 s, refuses the login or a right, is older than 2.10 or cannot hold the streams.
    #[inline(never)]
    pub fn connect(config: &Config) -> Boxed<'_, Result<Self, BusError>> {
        Box::pin(Self::connect_and_declare(config))
    }

    async fn connect_and_declare(config: &Config) -> Result<Self, BusError> {
        let bus = Self::look(config).await?;
        let declaring = topology::declare(&bus.jetstream, &config.limits, config.service, &bus.declared);
        bus.standing.unless_refused(Box::pin(declaring)).await?;
        Ok(bus)
    }

    /// Connects and checks the server's version; declares nothing, for those who only look.
    ///
    /// # Errors
    /// As [`Bus::connect`].
    #[inline(never)]
    pub fn connect_read_only(config: &Config) -> Boxed<'_, Result<Self, BusError>> {
        Box::pin(Self::look(config))
    }

    async fn look(config: &Config) -> Result<Self, BusError> {
        let standing = ConnectionHealth::default();
        let client = open(config, standing.clone()).await?;
        let version = client.server_info().version;
        check_version(&version)?;
        let jetstream = ContextBuilder::new()
            .timeout(ANSWER_WITHIN)
            .ack_timeout(ANSWER_WITHIN)
            .max_ack_inflight(UNACKNOWLEDGED_MAX)
            .backpressure_on_inflight(true)
            .build(client.clone());
        info!(bus.version = %version, "connected to the bus");
        let (limits, service, declared) = (config.limits.clone(), config.service, Declared::default());
        Ok(Self { client, jetstream, limits, service, declared, standing })
    }

    /// Whether the connection stands now.
    pub fn connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Whether all is well between us and the bus.
    ///
    /// # Errors
    /// What is not: the connection is away, the server refused a subject within the last minute, or it does not
    /// take the login any more; only the last does not pass.
    pub fn check(&self) -> Result<(), BusError> {
        self.standing.check(Instant::now())?;
        if self.connected() { Ok(()) } else { Err(BusError::Lost) }
    }

    /// Version of the server.
    pub fn server_version(&self) -> String {
        self.client.server_info().version
    }

    /// How far behind a shared consumer is.
    ///
    /// # Errors
    /// When the server does not answer within 5 s.
    pub async fn backlog(&self, work: SharedConsumer) -> Result<Backlog, BusError> {
        let info = self.consumer_info(work).await?;
        Ok(Backlog { pending: info.num_pending, unacknowledged: info.num_ack_pending as u64 })
    }

    /// Makes room in the stream of `work`: once it is over 70 % full, what every durable consumer has
    /// acknowledged goes. Returns how many messages went.
    ///
    /// # Errors
    /// When the server does not answer within 5 s.
    pub async fn trim(&self, work: SharedConsumer) -> Result<u64, BusError> {
        let failed = |source: async_nats::jetstream::stream::InfoError| declare_error(work.stream(), source);
        let stream = self.jetstream.get_stream_no_info(work.stream()).await;
        let stream = stream.map_err(|source| declare_error(work.stream(), source))?;
        let info = stream.get_info().await.map_err(failed)?;
        let limit = u64::try_from(info.config.max_bytes).unwrap_or(u64::MAX);
        if info.state.bytes < limit / 10 * 7 {
            return Ok(0);
        }
        let floor = self.consumer_info(work).await?.ack_floor.stream_sequence;
        if floor < info.state.first_sequence {
            return Ok(0);
        }
        let purged = stream.purge().sequence(floor).await;
        Ok(purged.map_err(|source| declare_error(work.stream(), source))?.purged)
    }

    /// Waits until everything handed to the client is on its way, at most 5 s.
    pub async fn flush(&self) {
        if !matches!(tokio::time::timeout(ANSWER_WITHIN, self.client.flush()).await, Ok(Ok(()))) {
            warn!("not everything reached the bus before the end; it will be delivered again");
        }
    }

    pub(crate) async fn consumer_info(
        &self,
        work: SharedConsumer,
    ) -> Result<async_nats::jetstream::consumer::Info, BusError> {
        let stream = self.jetstream.get_stream_no_info(work.stream()).await;
        let stream = stream.map_err(|source| declare_error(work.stream(), source))?;
        stream.consumer_info(work.durable()).await.map_err(|source| declare_error(work.durable(), source))
    }
}

async fn open(config: &Config, standing: ConnectionHealth) -> Result<Client, BusError> {
    let alive = Alive(standing);
    let mut options = ConnectOptions::new()
        .name(&config.name)
        .connection_timeout(CONNECT_WITHIN)
        .request_timeout(Some(ANSWER_WITHIN))
        .ping_interval(PING_EVERY)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| {
            let pause = Duration::from_millis(50u64.saturating_mul(1 << attempts.min(6)));
            pause.min(RECONNECT_PAUSE_MAX)
        })
        .event_callback(move |event| {
            let standing = alive.0.clone();
            async move { standing.note(&event, Instant::now()) }
        });
    let given = config.user.as_deref().zip(config.password.as_deref());
    // The client itself passes over a login in the address, and at `debug` it logs the address: it gets none.
    if let Some((user, password)) = given.or_else(|| login_in(&config.url)) {
        // Answers come to inboxes that nobody else may read.
        options = options
            .user_and_password(user.to_owned(), password.to_owned())
            .custom_inbox_prefix(inboxes(user));
    } else if let Some(token) = token_in(&config.url) {
        options = options.token(token.to_owned());
    }
    let failed = |path: &Path| {
        let path = path.display().to_string();
        |source| BusError::Credentials { path, source }
    };
    if let Some(path) = &config.creds {
        let text = tokio::fs::read_to_string(path).await.map_err(failed(path))?;
        options = options.credentials(&text).map_err(failed(path))?;
    }
    if let Some(path) = &config.ca_file {
        // Read here, so that a missing file is called by its name; the client alone says only "TLS error".
        tokio::fs::read(path).await.map_err(failed(path))?;
        options = options.add_root_certificates(path.clone()).require_tls(true);
    }
    let url = without_password(&config.url);
    let servers: Vec<String> = config.url.split(',').map(|url| without_login(url.trim())).collect();
    match tokio::time::timeout(ANSWER_WITHIN, options.connect(servers)).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(refused)) if refused.kind() == ConnectErrorKind::AuthorizationViolation => {
            Err(BusError::Login { url, user: config.user.clone() })
        }
        // What a server without TLS says is no TLS message.
        Ok(Err(source)) if config.ca_file.is_some() && source.to_string().contains("corrupt message") => {
            let why = format!("NATS_CA_FILE asks for TLS, and the server seems to speak none: {source}");
            Err(BusError::Connect { url, source: why.into() })
        }
        Ok(Err(source)) => Err(BusError::Connect { url, source: Box::new(source) }),
        Err(late) => Err(BusError::Connect { url, source: Box::new(late) }),
    }
}

fn check_version(version: &str) -> Result<(), BusError> {
    let mut numbers = version.split(['.', '-']).map(|part| part.parse::<u64>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    let found = (next(), next(), next());
    if (found.0, found.1) < SERVER_MIN {
        return Err(BusError::TooOld { found: version.to_owned(), needed: "2.10" });
    }
    if found < SERVER_ADVISED {
        warn!(bus.version = %version, "nats-server 2.12.7 or later is advised: an older one hides disk failures");
    }
    Ok(())
}

/// User and password in an address such as `nats://user:password@host`; a lone token is none.
fn login_in(url: &str) -> Option<(&str, &str)> {
    let (_, rest) = url.split(',').next()?.split_once("://")?;
    let (login, _) = rest.rsplit_once('@')?;
    login.split_once(':')
}

/// The token in an address such as `nats://token@host`.
fn token_in(url: &str) -> Option<&str> {
    let (_, rest) = url.split(',').next()?.split_once("://")?;
    let (login, _) = rest.rsplit_once('@')?;
    (!login.is_empty() && !login.contains(':')).then_some(login)
}

/// The address alone.
fn without_login(url: &str) -> String {
    match url.split_once("://").map(|(scheme, rest)| (scheme, rest.rsplit_once('@'))) {
        Some((scheme, Some((_, host)))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}

/// Prefix of the inboxes of `user`: one token, whatever the name.
fn inboxes(user: &str) -> String {
    let token: String =
        user.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    format!("_INBOX_{token}")
}

/// The address as it may stand in a log.
fn without_password(url: &str) -> String {
    let one = |url: &str| match url.split_once("://").map(|(scheme, rest)| (scheme, rest.rsplit_once('@'))) {
        Some((scheme, Some((_, host)))) => format!("{scheme}://***@{host}"),
        _ => url.trim().to_owned(),
    };
    url.split(',').map(one).collect::<Vec<_>>().join(",")
}

// === impl Config ===

impl Config {
    /// Reads `NATS_URL`, `NATS_USER`, `NATS_PASSWORD`, `NATS_CREDS`, `NATS_CA_FILE`, `BUS_MAX_MB`, `BUS_MAX_AGE_H`
    /// and `BUS_REPLICAS`: the same for every service. `name`: the instance.
    pub fn read(vars: &mut Settings, service: Service, name: &str) -> Self {
        // One environment serves the whole stack: these are for others.
        vars.elsewhere(&["BUS_DURABILITY", "NATS_PORT"]);
        let url = vars.text(
            "NATS_URL",
            "nats://127.0.0.1:4222",
            "the bus; several addresses with commas; tls:// for TLS",
        );
        let user = vars.optional_text("NATS_USER", "user on the bus");
        let password = vars.secret("NATS_PASSWORD", "password on the bus");
        let creds =
            vars.optional_text("NATS_CREDS", "credentials file for the bus, in place of user and password");
        let ca_file = vars.optional_text(
            "NATS_CA_FILE",
            "PEM file of the authority that signed the bus's certificate; with it, TLS only",
        );
        let megabytes = vars.integer(
            "BUS_MAX_MB",
            2_048,
            16..=1_048_576,
            "MB",
            "size of the raw and of the judged stream",
        );
        let hours =
            vars.integer("BUS_MAX_AGE_H", 24, 1..=8_760, "hours", "age at which messages leave the streams");
        let replicas = vars.integer("BUS_REPLICAS", 1, 1..=5, "copies", "copies of each stream in a cluster");
        if user.is_some() != password.is_some() {
            vars.fault("NATS_USER", "goes with NATS_PASSWORD: set both or neither");
        }
        if user.is_some() && creds.is_some() {
            vars.fault("NATS_CREDS", "and NATS_USER are both set: keep one");
        }
        let limits = Limits {
            ticks_bytes: megabytes << 20,
            age: Duration::from_secs(hours * 3_600),
            replicas: usize::try_from(replicas).unwrap_or(1),
        };
        let password = password.map(|secret| secret.expose().to_owned());
        Self {
            url,
            user,
            password,
            creds: creds.map(PathBuf::from),
            ca_file: ca_file.map(PathBuf::from),
            service: Some(service),
            name: name.to_owned(),
            limits,
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("url", &without_password(&self.url))
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_before_2_10_is_refused_by_name() {
        assert!(check_version("2.10.0").is_ok());
        assert!(check_version("2.15.1").is_ok());
        assert!(check_version("3.0.0-beta").is_ok());
        let refused = check_version("2.9.25").unwrap_err();
        assert_eq!(refused.to_string(), "nats-server 2.9.25 is too old: 2.10 or later is needed");
        assert!(!refused.is_transient());
    }

    #[test]
    fn a_password_in_the_address_is_not_shown() {
        assert_eq!(without_password("nats://a:b@h:1,nats://k:2"), "nats://***@h:1,nats://k:2");
        let config = Config {
            url: "nats://a:secret@h:1".to_owned(),
            user: None,
            password: Some("secret".to_owned()),
            creds: None,
            ca_file: None,
            service: None,
            name: "x".to_owned(),
            limits: Limits::default(),
        };
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn the_client_gets_addresses_without_a_login_and_so_cannot_log_one() {
        for (url, bare) in [
            ("nats://writer:se%40cret@h:1", "nats://h:1"),
            ("tls://token@h:1", "tls://h:1"),
            ("nats://h:1", "nats://h:1"),
            ("h:1", "h:1"),
        ] {
            assert_eq!(without_login(url), bare);
        }
        assert_eq!(token_in("nats://token@h:1,nats://h:2"), Some("token"));
        assert_eq!(token_in("nats://user:password@h:1").or(token_in("nats://h:1")), None);
    }

    #[test]
    fn inboxes_are_the_users_own_wherever_its_name_stands() {
        assert_eq!(login_in("nats://viewer:p@h:1,nats://k:2"), Some(("viewer", "p")));
        assert_eq!(login_in("nats://token@h:1").or(login_in("nats://h:1")), None);
        assert_eq!(inboxes("viewer"), "_INBOX_viewer");
        assert_eq!(inboxes("a.b>"), "_INBOX_a_b_");
    }

    #[test]
    fn a_login_is_whole_and_excludes_a_credentials_file() {
        let faults = |map: &[(&str, &str)]| {
            let mut vars = Settings::of_map("x", "…", map.iter().copied(), &[]);
            let config = Config::read(&mut vars, Service::Writer, "x-1");
            assert_eq!(config.limits, Limits::default());
            vars.finish().map_err(|stop| stop.to_string()).err().unwrap_or_default()
        };
        let login = [("NATS_USER", "u"), ("NATS_PASSWORD", "p"), ("NATS_CREDS", "/c")];
        assert_eq!(faults(&login[..2]), "");
        assert!(faults(&login[..1]).contains("`NATS_USER`"));
        assert!(faults(&login).contains("`NATS_CREDS`"));
    }
}
