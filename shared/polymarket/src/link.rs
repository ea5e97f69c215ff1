//! The way to the venue: which proxy leads there, and by which authorities it shows who it is.
//!
//! Knows: the variables of proxies, `CONNECT`, roots of trust. Never: what is said over a connection.

use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock};

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::{NoProxy, Proxy};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::http::Uri;
use tracing::{info, warn};

use crate::race;

/// The longest answer to a `CONNECT` that is read.
const ANSWER_BYTES_MAX: usize = 8 * 1024;
/// Never through a proxy, whatever the variables say: a proxy's own loopback is not ours.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// The way out of this process.
#[derive(Debug)]
pub(crate) struct Link {
    proxies: Proxies,
    tls: Arc<ClientConfig>,
}

/// Which proxy leads where.
struct Proxies {
    http: String,
    https: String,
    none_for: String,
    matcher: Matcher,
}

/// A variable that names no proxy we can use. Its value is not shown: it may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{variable}` is no HTTP proxy such as http://user:password@proxy:3128 (https:// and socks are not supported)"
)]
pub struct OddProxy {
    variable: &'static str,
}

/// Why a proxy did not lead to the venue.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// What is configured is no proxy.
    #[error(transparent)]
    Odd(#[from] OddProxy),
    /// Nobody answers there.
    #[error("`{at}` cannot be reached")]
    Unreachable {
        /// Host and port of the venue or, where one leads there, of the proxy.
        at: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The proxy does not let us through.
    #[error("the proxy `{proxy}` answered {status} to CONNECT")]
    Refused {
        /// Host and port.
        proxy: String,
        /// HTTP status; 407 where it wants other credentials.
        status: u16,
    },
}

/// The way out as the environment of this process describes it; read once.
#[expect(clippy::disallowed_methods, reason = "these are variables of all programs, no settings of ours")]
pub(crate) fn of_process() -> Result<&'static Link, OddProxy> {
    static LINK: LazyLock<Result<Link, OddProxy>> = LazyLock::new(|| {
        crate::install_tls();
        let proxies = Proxies::of_variables(|name| std::env::var(name).ok())?;
        proxies.tell();
        Ok(Link { proxies, tls: tls(of_machine()) })
    });
    LINK.as_ref().map_err(|odd| *odd)
}

// === impl Link ===

impl Link {
    /// How the venue proves who it is.
    pub(crate) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// The same proxies, as the library for REST wants them.
    pub(crate) fn rest_proxies(&self) -> reqwest::Result<Vec<Proxy>> {
        let Proxies { http, https, none_for, .. } = &self.proxies;
        let mut proxies = Vec::new();
        if !http.is_empty() {
            proxies.push(Proxy::http(http)?.no_proxy(NoProxy::from_string(none_for)));
        }
        if !https.is_empty() {
            proxies.push(Proxy::https(https)?.no_proxy(NoProxy::from_string(none_for)));
        }
        Ok(proxies)
    }

    /// A connection to the host of a `ws://` or `wss://` address; TLS is still to come.
    pub(crate) async fn connect(&self, uri: &Uri) -> Result<TcpStream, LinkError> {
        let is_tls = uri.scheme_str() == Some("wss");
        let (host, port) = place(uri, if is_tls { 443 } else { 80 });
        let Some(proxy) = self.proxies.leading_to(&host, is_tls) else {
            return connected(&host, port).await;
        };
        let (proxy_host, proxy_port) = place(proxy.uri(), 80);
        let stream = connected(&proxy_host, proxy_port).await?;
        tunnelled(stream, &format!("{host}:{port}"), &proxy, &format!("{proxy_host}:{proxy_port}")).await
    }
}

fn place(uri: &Uri, port: u16) -> (String, u16) {
    (uri.host().unwrap_or_default().to_owned(), uri.port_u16().unwrap_or(port))
}

async fn connected(host: &str, port: u16) -> Result<TcpStream, LinkError> {
    let stream = race::connect(host, port).await.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    stream.map_err(|source| LinkError::Unreachable { at: format!("{host}:{port}"), source })
}

/// Asks a proxy for a way to `target`, host and port.
async fn tunnelled(
    mut stream: TcpStream,
    target: &str,
    proxy: &Intercept,
    proxy_at: &str,
) -> Result<TcpStream, LinkError> {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(login) = proxy.basic_auth() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(login.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let asked = async {
        stream.write_all(&request).await?;
        answer(&mut stream).await
    };
    match asked.await {
        Ok(200..=299) => Ok(stream),
        Ok(status) => Err(LinkError::Refused { proxy: proxy_at.to_owned(), status }),
        Err(source) => Err(LinkError::Unreachable { at: proxy_at.to_owned(), source }),
    }
}

/// The status of an HTTP answer without a body. Read byte by byte: what follows belongs to the venue.
async fn answer(stream: &mut TcpStream) -> io::Result<u16> {
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "no answer of an HTTP proxy");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == ANSWER_BYTES_MAX {
            return Err(odd());
        }
        head.push(stream.read_u8().await?);
    }
    let line = head.split(|&byte| byte == b'\r').next().and_then(|line| std::str::from_utf8(line).ok());
    let (version, rest) = line.and_then(|line| line.split_once(' ')).ok_or_else(odd)?;
    let status = rest.split(' ').next().and_then(|status| status.parse().ok());
    status.filter(|_| version.starts_with("HTTP/1.")).ok_or_else(odd)
}

/// Trusts the authorities that come with this program and those of the machine, a company's own among them.
fn tls(machine: Vec<CertificateDer<'static>>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let (added, odd) = roots.add_parsable_certificates(machine);
    info!(odd, "the venue may be vouched for by the built-in authorities and by {added} of this machine");
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// The authorities of this machine, or those in the file or folder that `SSL_CERT_FILE` or `SSL_CERT_DIR` names.
fn of_machine() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        warn!(%error, "some authorities of this machine cannot be read");
    }
    found.certs
}

// === impl Proxies ===

impl Proxies {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, each also in small letters.
    fn of_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, OddProxy> {
        let value = |name: &str| {
            let filled = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
            filled(name).or_else(|| filled(&name.to_lowercase()))
        };
        let proxy = |name: &'static str| {
            let named = [name, "ALL_PROXY"].into_iter().find_map(|name| Some((name, value(name)?)));
            let Some((variable, proxy)) = named else { return Ok(String::new()) };
            let usable = Matcher::builder().all(proxy.clone()).build();
            let uri = usable.intercept(&Uri::from_static("http://venue.example"));
            match uri {
                Some(uri) if uri.uri().scheme_str() == Some("http") => Ok(proxy),
                _ => Err(OddProxy { variable }),
            }
        };
        let (http, https) = (proxy("HTTP_PROXY")?, proxy("HTTPS_PROXY")?);
        let none_for = [value("NO_PROXY").unwrap_or_default(), LOOPBACK.to_owned()].join(",");
        let matcher = Matcher::builder().http(http.clone()).https(https.clone()).no(none_for.clone()).build();
        Ok(Self { http, https, none_for, matcher })
    }

    fn leading_to(&self, host: &str, is_tls: bool) -> Option<Intercept> {
        let scheme = if is_tls { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(host).path_and_query("/").build().ok()?;
        self.matcher.intercept(&uri)
    }

    /// Says what is used, without a login.
    fn tell(&self) {
        for is_tls in [true, false] {
            if let Some(proxy) = self.leading_to("venue.example", is_tls) {
                let what = if is_tls { "https and wss" } else { "http and ws" };
                info!(except = self.none_for, "{what} go through the proxy {}", proxy.uri());
            }
        }
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The matcher shows no logins; the addresses as they were given would.
        self.matcher.fmt(f)
    }
}

#[cfg(test)]
pub(crate) mod tests;
