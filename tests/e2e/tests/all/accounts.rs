//! Who may do what: each login of the bus and of the database, on what is its own and on what is not.
//!
//! Knows: `deploy/nats/accounts.conf`, `deploy/postgres/roles.sh` and a real server behind each. Never: a permission
//! that is not tried.

use std::time::Duration;

use bus::{Bus, Limits, Message, SharedConsumer, Source, Start};
use contract::ids::ConditionId;
use contract::stats::Service;
use contract::subject;
use contract::tick::Kind;
use contract::verdict::Verdict;
use e2e::wire::Wire;
use e2e::{Settings, World, eventually};
use stack::nats_logins::Logins;
use stack::paths::Paths;
use stack::{nats, postgres, wheels};
use tempfile::TempDir;

pub(crate) const STREAMS: [&str; 6] = ["TICKS_RAW", "TICKS_JUDGED", "MARKETS", "GAPS", "DEAD", "KV_FEED"];
const READERS: [&str; 1] = ["viewer"];

/// A bus with its accounts and nothing on it.
pub(crate) struct Guarded {
    pub(crate) nats: nats::Server,
    pub(crate) logins: Logins,
    _folder: TempDir,
}

impl Guarded {
    pub(crate) async fn start() -> Self {
        let places = Paths::of_workspace().unwrap();
        let program = wheels::nats(&places, &|line| eprintln!("{line}")).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let logins = Logins::fresh().unwrap();
        let access = nats::Access::Accounts(logins.clone());
        let settings = nats::Settings { access, ..nats::Settings::in_folder(folder.path()) };
        let nats = nats::Server::start(&program, settings).await.unwrap();
        Self { nats, logins, _folder: folder }
    }

    pub(crate) async fn wire(&self, login: &str) -> Wire {
        Wire::connect(self.nats.port(), Some((login, self.logins.password(login)))).await.unwrap()
    }

    fn config(&self, login: &str, password: &str) -> bus::Config {
        bus::Config {
            url: self.nats.url(),
            user: Some(login.to_owned()),
            password: Some(password.to_owned()),
            creds: None,
            ca_file: None,
            service: Service::ALL.into_iter().find(|service| service.word() == login),
            name: login.to_owned(),
            limits: Limits { ticks_bytes: 64 << 20, ..Limits::default() },
        }
    }

    pub(crate) async fn bus(&self, login: &str) -> Bus {
        Bus::connect(&self.config(login, self.logins.password(login))).await.unwrap()
    }
}

pub(crate) fn market() -> ConditionId {
    ConditionId::try_from("0xab").unwrap()
}

/// Every subject that the pipeline publishes on, and whose it is.
fn subjects() -> Vec<(String, Service)> {
    let mut all: Vec<(String, Service)> = Vec::new();
    for kind in Kind::ALL {
        all.push((subject::raw(kind, &market()), Service::Feed));
        all.extend(
            Verdict::ALL.map(|verdict| (subject::judged(verdict, kind, &market()), Service::Processor)),
        );
    }
    all.push((subject::market(&market()), Service::Feed));
    all.push((subject::gap(&market()), Service::Feed));
    all.push((subject::overruled(&market()), Service::Processor));
    all.push(("$KV.FEED.mark-0-1".to_owned(), Service::Feed));
    for service in Service::ALL {
        // The dashboard has nothing to write off: it stores nothing.
        if service != Service::Dashboard {
            all.push((subject::dead(service), service));
        }
        all.push((subject::stats(service, "one-1"), service));
    }
    all
}

#[tokio::test]
async fn each_login_publishes_on_its_own_subjects_and_is_refused_on_all_others() {
    let guarded = Guarded::start().await;
    for login in Service::ALL.map(Service::word).into_iter().chain(READERS) {
        let mut wire = guarded.wire(login).await;
        for (subject, owner) in subjects() {
            let outcome = wire.publish(&subject).await;
            assert_eq!(outcome.is_ok(), owner.word() == login, "{login} on {subject}: {outcome:?}");
            if let Err(words) = outcome {
                assert!(words.contains("Permissions Violation") && words.contains(&subject), "{words}");
            }
        }
        for other in ["anything", "_INBOX.x", "_INBOX_feed.x", "_INBOX_writer.x", "$SYS.REQ.SERVER.PING"] {
            assert!(wire.publish(other).await.is_err(), "{login} on {other}");
        }
    }
}

#[tokio::test]
async fn only_the_viewer_hears_what_passes_and_nobody_hears_anothers_answers() {
    let guarded = Guarded::start().await;
    for login in Service::ALL.map(Service::word).into_iter().chain(READERS) {
        let mut wire = guarded.wire(login).await;
        let views = login == "viewer";
        for heard in ["ticks.>", "ticks.raw.>", "ticks.clean.trade.>", "markets.>", "gaps.>", "dead.>"] {
            assert_eq!(wire.subscribe(heard).await.is_ok(), views, "{login} to {heard}");
        }
        assert_eq!(wire.subscribe(subject::OVERRULED_ALL).await.is_ok(), login == "feed", "{login}");
        let hears_stats = views || login == "dashboard";
        assert_eq!(wire.subscribe(subject::STATS_ALL).await.is_ok(), hears_stats, "{login}");
        for other in Service::ALL.map(Service::word).into_iter().chain(READERS) {
            let inboxes = format!("_INBOX_{other}.>");
            assert_eq!(wire.subscribe(&inboxes).await.is_ok(), other == login, "{login} to {inboxes}");
        }
        for closed in [">", "$JS.>", "$KV.>", "$SYS.>", "_INBOX.>"] {
            assert!(wire.subscribe(closed).await.is_err(), "{login} to {closed}");
        }
    }
}

#[tokio::test]
async fn nobody_changes_streams_or_takes_from_anothers_consumer() {
    let guarded = Guarded::start().await;
    for login in Service::ALL.map(Service::word).into_iter().chain(READERS) {
        let mut wire = guarded.wire(login).await;
        for stream in STREAMS {
            let makes_room =
                matches!((login, stream), ("processor", "TICKS_RAW") | ("writer", "TICKS_JUDGED"));
            let purged = wire.publish(&format!("$JS.API.STREAM.PURGE.{stream}")).await;
            assert_eq!(purged.is_ok(), makes_room, "{login} purges {stream}");
            for verb in
                ["STREAM.DELETE", "STREAM.UPDATE", "STREAM.MSG.DELETE", "STREAM.SNAPSHOT", "STREAM.RESTORE"]
            {
                assert!(wire.publish(&format!("$JS.API.{verb}.{stream}")).await.is_err(), "{login}: {verb}");
            }
            for durable in ["processor", "writer"] {
                let owns = durable == login
                    && if login == "processor" {
                        stream == "TICKS_RAW"
                    } else {
                        !["TICKS_RAW", "KV_FEED"].contains(&stream)
                    };
                for verb in ["CREATE", "MSG.NEXT"] {
                    let asked = wire.publish(&format!("$JS.API.CONSUMER.{verb}.{stream}.{durable}")).await;
                    assert_eq!(asked.is_ok(), owns, "{login}: {verb} of {durable} on {stream}");
                }
                for verb in ["DELETE", "DURABLE.CREATE", "PAUSE", "RESET"] {
                    let asked = wire.publish(&format!("$JS.API.CONSUMER.{verb}.{stream}.{durable}")).await;
                    assert!(asked.is_err(), "{login}: {verb} of {durable} on {stream}");
                }
                let acknowledged = wire.publish(&format!("$JS.ACK.{stream}.{durable}.1.1.1.1.0")).await;
                assert_eq!(acknowledged.is_ok(), owns, "{login} acknowledges for {durable} on {stream}");
            }
            for consumer in
                ["CONSUMER.CREATE", "CONSUMER.DURABLE.CREATE", "CONSUMER.DELETE", "CONSUMER.MSG.NEXT"]
            {
                let asked = wire.publish(&format!("$JS.API.{consumer}.{stream}.another")).await;
                assert!(asked.is_err(), "{login}: {consumer} on {stream}");
            }
            let reads = match login {
                "feed" => ["TICKS_RAW", "GAPS"].contains(&stream),
                "dashboard" => ["TICKS_RAW", "TICKS_JUDGED", "MARKETS", "GAPS"].contains(&stream),
                _ => false,
            };
            let read = wire.publish(&format!("$JS.API.DIRECT.GET.{stream}")).await;
            assert_eq!(read.is_ok(), reads, "{login} reads {stream}");
        }
    }
}

#[tokio::test]
async fn who_has_no_login_or_a_wrong_one_gets_nothing() {
    let guarded = Guarded::start().await;
    let port = guarded.nats.port();
    let refused = Wire::connect(port, None).await.unwrap_err();
    assert!(refused.contains("Authorization Violation"), "{refused}");
    for user in [("feed", "wrong"), ("nobody", ""), ("feed", guarded.logins.password("writer"))] {
        assert!(Wire::connect(port, Some(user)).await.is_err(), "{user:?}");
    }
    let wrong = "a-wrong-password-of-the-feed";
    let error = Bus::connect(&guarded.config("feed", wrong)).await.unwrap_err();
    assert!(error.is_transient(), "a password may be set right while we wait");
    let told = error.to_string();
    assert!(told.contains("refuses the login `feed`") && !told.contains(wrong), "{told}");
}

#[tokio::test]
async fn each_service_can_do_all_it_does_with_its_own_rights() {
    let guarded = Guarded::start().await;
    // In the order in which nobody finds what it needs: each declares its own.
    let (processor, feed) = (guarded.bus("processor").await, guarded.bus("feed").await);
    let (writer, dashboard) = (guarded.bus("writer").await, guarded.bus("dashboard").await);
    let send = async |bus: &Bus, subject: &str, id: &str| {
        let message = Message::new(subject.to_owned(), id.to_owned(), vec![1]);
        bus.publish(&message).await.unwrap().acknowledged().await.unwrap();
    };
    feed.kv_put("mark-0-1", vec![7]).await.unwrap();
    assert_eq!(feed.kv_get("mark-0-1").await.unwrap().as_deref(), Some(&[7][..]));
    for subject in
        [&subject::raw(Kind::Trade, &market()), &subject::gap(&market()), &subject::market(&market())]
    {
        send(&feed, subject, subject).await;
    }
    assert_eq!(feed.stored(Source::RawTrades, Start::Beginning).await.unwrap().len(), 1);
    assert_eq!(feed.stored(Source::Gaps, Start::Beginning).await.unwrap().len(), 1);

    let delivery = processor.consume(SharedConsumer::Raw).next().await.unwrap();
    send(&processor, &subject::judged(Verdict::Clean, Kind::Trade, &market()), "judged").await;
    delivery.progress().await.unwrap();
    delivery.ack().await.unwrap();
    acknowledged(&processor, SharedConsumer::Raw).await;
    processor.trim(SharedConsumer::Raw).await.unwrap();

    for (bus, service) in
        [(&feed, Service::Feed), (&processor, Service::Processor), (&writer, Service::Writer)]
    {
        send(bus, &subject::dead(service), service.word()).await;
    }
    for work in [SharedConsumer::Judged, SharedConsumer::Markets, SharedConsumer::Gaps, SharedConsumer::Dead]
    {
        let delivery = writer.consume(work).next().await.unwrap();
        delivery.nak(Duration::ZERO).await.unwrap();
        writer.consume(work).next().await.unwrap().ack().await.unwrap();
    }
    writer.trim(SharedConsumer::Judged).await.unwrap();

    let mut listener = dashboard.listen(subject::STATS_ALL).await.unwrap();
    dashboard.publish_unacked(subject::stats(Service::Dashboard, "one"), vec![1]).await.unwrap();
    assert_eq!(listener.next().await.unwrap().subject, "stats.dashboard.one");
    for source in [Source::Judged, Source::Markets, Source::Gaps] {
        dashboard.reader(source, Start::Beginning).next().await.unwrap();
        assert_eq!(dashboard.stored(source, Start::Beginning).await.unwrap().len(), 1);
    }
    for work in [SharedConsumer::Raw, SharedConsumer::Judged] {
        feed.progress(work).await.unwrap();
    }
    for work in [
        SharedConsumer::Raw,
        SharedConsumer::Judged,
        SharedConsumer::Markets,
        SharedConsumer::Gaps,
        SharedConsumer::Dead,
    ] {
        dashboard.backlog(work).await.unwrap();
    }
    for work in [SharedConsumer::Raw, SharedConsumer::Judged] {
        dashboard.waiting(work).await.unwrap();
    }
    assert_eq!(dashboard.unread(Source::Judged, 0).await.unwrap().0, 1);
    for (bus, name) in
        [(&feed, "feed"), (&processor, "processor"), (&writer, "writer"), (&dashboard, "dashboard")]
    {
        bus.flush().await;
        bus.check().unwrap_or_else(|error| panic!("{name}: {error}"));
        // A second start finds everything there.
        guarded.bus(name).await.check().unwrap();
    }
}

async fn acknowledged(bus: &Bus, work: SharedConsumer) {
    eventually("the acknowledgement has arrived", Duration::from_secs(10), async || {
        let backlog = bus.backlog(work).await.map_err(|error| error.to_string())?;
        if backlog.unacknowledged == 0 { Ok(()) } else { Err(format!("{backlog:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_right_that_is_taken_away_shows_by_name_and_nothing_is_lost() {
    let world = World::start(Settings::scenario("calm").sized(10, 100, Some(20))).await;
    world.sim.begin();
    let right = "\"ticks.clean.>\", ";
    world.change_rights(right, "");
    eventually("the page names the refused subject", Duration::from_secs(30), async || {
        let (_, body) = world.get("/api/status").await.map_err(|error| error.to_string())?;
        let text = body.to_string();
        let named = text.contains("refuses us a right") && text.contains("ticks.clean.");
        if named { Ok(()) } else { Err(text) }
    })
    .await;
    let next = "\"ticks.flagged.>\", ";
    world.change_rights(next, &format!("{right}{next}"));
    world.sim.finished().await.unwrap();
    let logs = world.whole_logs();
    assert!(logs.contains("the bus refuses us something that we need"), "{}", world.logs());
    for login in ["feed", "processor", "writer", "dashboard"] {
        assert!(!logs.contains(world.password(login)), "a password of `{login}` is in a log");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_login_that_is_taken_away_is_named_and_works_again_once_it_is_back() {
    let mut world = World::start(Settings::scenario("calm").sized(5, 50, Some(5))).await;
    world.change_rights("user: processor,", "user: other,");
    logged(&world, "the login is not taken any more").await;
    // One that starts now waits, and says for what.
    world.kill("processor-1").await;
    world.bring_up("processor-1");
    logged(&world, "refuses the login `processor`").await;
    world.change_rights("user: other,", "user: processor,");
    world.all_healthy().await;
    world.play().await;
    world.finish().await;
}

async fn logged(world: &World, words: &str) {
    eventually(words, Duration::from_secs(30), async || {
        if world.whole_logs().contains(words) { Ok(()) } else { Err(world.logs()) }
    })
    .await;
}

#[tokio::test]
async fn no_service_is_a_superuser_of_the_database_and_the_migrator_needs_none() {
    let places = Paths::of_workspace().unwrap();
    let programs = wheels::postgres(&places, &|line| eprintln!("{line}")).await.unwrap();
    let server = postgres::Server::disposable(&programs).await.unwrap();
    server.create_database("polyfeed").await.unwrap();
    let secrets = tempfile::tempdir().unwrap();
    let fault = server.make_roles("polyfeed", secrets.path()).await.unwrap_err().to_string();
    assert!(fault.contains("migrator` is missing or empty"), "{fault}");
    for round in ["first", "second"] {
        for name in ["migrator", "writer", "reader"] {
            std::fs::write(secrets.path().join(name), format!("{round}-{name}\n")).unwrap();
        }
        server.make_roles("polyfeed", secrets.path()).await.unwrap();
        let url =
            |name: &str| server.url(&format!("polyfeed_{name}"), &format!("{round}-{name}"), "polyfeed");
        if round == "first" {
            for name in ["writer", "reader"] {
                assert!(store::migrate(&url(name)).await.is_err(), "{name} migrates");
            }
        }
        store::migrate(&url("migrator")).await.unwrap();
        for name in ["writer", "reader"] {
            drop(tokio_postgres::connect(&url(name), tokio_postgres::NoTls).await.unwrap());
        }
        let wrong = server.url("polyfeed_writer", "second-guess", "polyfeed");
        assert!(tokio_postgres::connect(&wrong, tokio_postgres::NoTls).await.is_err());
    }
    let powers = "select count(*) from pg_authid where rolname like 'polyfeed%' and (rolsuper or rolcreatedb or \
                  rolreplication or rolbypassrls or (rolcanlogin and rolpassword not like 'SCRAM-SHA-256$%'))";
    assert_eq!(server.psql("polyfeed", powers).await.unwrap(), "0");
    let writer = server.url("polyfeed_writer", "second-writer", "polyfeed");
    let (client, connection) = tokio_postgres::connect(&writer, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    for sql in [
        "create table polyfeed.mine (a int)",
        "create role mine",
        "drop database polyfeed",
        "select * from api.trades",
    ] {
        let code = client.batch_execute(sql).await.unwrap_err().code().map(|code| code.code().to_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{sql}");
    }
}
