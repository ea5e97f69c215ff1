//! The streams themselves: who is far behind catches up, who reads goes on behind a break, what is deleted is made
//! again and said.
//!
//! Knows: a real server and what an operator or a thief may do to it. Never: what a tick means.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bus::{Bus, Limits, Message, SharedConsumer, Source, Start};
use contract::ids::ConditionId;
use contract::subject;
use contract::tick::Kind;
use contract::time::Timestamp;
use contract::verdict::Verdict;
use e2e::wire::Wire;
use e2e::{Settings, World, eventually};
use stack::paths::Paths;
use stack::{nats, wheels};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// How far behind a consumer is before it begins.
const BEHIND: u64 = 200_000;
/// Messages a second by which the stream grows meanwhile, as far as the machine can: what a burst of the venue brings.
const GROWTH_PER_S: u64 = 12_000;
/// With several filters a server gave 3,000 to 9,000 messages a second to one that was behind: it would never catch up.
const CAUGHT_UP_WITHIN: Duration = Duration::from_mins(1);
/// A tenth of it: whoever comes down to this while the stream grows will be done.
const CAUGHT_UP: u64 = BEHIND / 10;
const MARKETS: u64 = 500;
const PAYLOAD_BYTES: usize = 300;

/// A bus without accounts.
struct Plain {
    nats: nats::Server,
    bus: Bus,
    _folder: TempDir,
}

impl Plain {
    async fn start() -> Self {
        let places = Paths::of_workspace().unwrap();
        let program = wheels::nats(&places, &|line| eprintln!("{line}")).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let nats = nats::Server::start(&program, nats::Settings::in_folder(folder.path())).await.unwrap();
        let config = bus::Config {
            url: nats.url(),
            user: None,
            password: None,
            creds: None,
            ca_file: None,
            service: None,
            name: "e2e".to_owned(),
            limits: Limits::default(),
        };
        let bus = Bus::connect(&config).await.unwrap();
        Self { nats, bus, _folder: folder }
    }
}

/// As the pipeline publishes: two price changes for each quote, and one trade in fifty.
fn kind(number: u64) -> Kind {
    match number % 50 {
        0 => Kind::Trade,
        n if n % 3 == 0 => Kind::Quote,
        _ => Kind::Price,
    }
}

type Subject = fn(Kind, &ConditionId) -> String;

fn judged(kind: Kind, market: &ConditionId) -> String {
    subject::judged(Verdict::Clean, kind, market)
}

async fn publish(bus: &Bus, subject: Subject, numbers: std::ops::Range<u64>) {
    let mut pending = Vec::new();
    for number in numbers {
        let market = ConditionId::try_from(format!("0x{:x}", number % MARKETS).as_str()).unwrap();
        let subject = subject(kind(number), &market);
        let message = Message::new(subject, number.to_string(), vec![0; PAYLOAD_BYTES]);
        pending.push(bus.publish(&message).await.unwrap());
        if pending.len() == 2_000 {
            for pending in pending.drain(..) {
                pending.acknowledged().await.unwrap();
            }
        }
    }
    for pending in pending {
        pending.acknowledged().await.unwrap();
    }
}

/// Goes on publishing until it is aborted.
fn growing(bus: &Bus, subject: Subject) -> JoinHandle<()> {
    let bus = bus.clone();
    tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_millis(100));
        for round in 0_u64.. {
            every.tick().await;
            let from = BEHIND + round * GROWTH_PER_S / 10;
            publish(&bus, subject, from..from + GROWTH_PER_S / 10).await;
        }
    })
}

/// Takes until little waits any more.
async fn taken(bus: &Bus, work: SharedConsumer) -> u64 {
    let mut deliveries = bus.consume(work);
    for count in 1_u64.. {
        let delivery = deliveries.next().await.unwrap();
        delivery.ack().await.unwrap();
        if delivery.pending < CAUGHT_UP {
            return count;
        }
    }
    unreachable!("the stream has an end")
}

/// Reads until little waits any more.
async fn read(bus: &Bus, source: Source) -> u64 {
    let mut reader = bus.reader(source, Start::Beginning);
    for count in 1_u64.. {
        if reader.next().await.unwrap().pending < CAUGHT_UP {
            return count;
        }
    }
    unreachable!("the stream has an end")
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

async fn catches_up(name: &str, reading: impl Future<Output = u64>) {
    let begun = Instant::now();
    let count = tokio::time::timeout(CAUGHT_UP_WITHIN, reading).await;
    let count = count.unwrap_or_else(|_| panic!("{name} is still behind after {CAUGHT_UP_WITHIN:?}"));
    eprintln!("{name}: {count} messages in {:?}", begun.elapsed());
}

#[tokio::test]
async fn whoever_reads_raw_ticks_and_is_far_behind_catches_up_faster_than_the_stream_grows() {
    let plain = Plain::start().await;
    publish(&plain.bus, subject::raw, 0..BEHIND).await;
    let growth = growing(&plain.bus, subject::raw);
    catches_up("the processors' consumer", taken(&plain.bus, SharedConsumer::Raw)).await;
    let trades = async { plain.bus.stored(Source::RawTrades, Start::Beginning).await.unwrap().len() as u64 };
    catches_up("a feed that starts", trades).await;
    growth.abort();
}

#[tokio::test]
async fn whoever_reads_judged_ticks_and_is_far_behind_catches_up_faster_than_the_stream_grows() {
    let plain = Plain::start().await;
    publish(&plain.bus, judged, 0..BEHIND).await;
    let growth = growing(&plain.bus, judged);
    catches_up("the writers' consumer", taken(&plain.bus, SharedConsumer::Judged)).await;
    catches_up("a dashboard that starts", read(&plain.bus, Source::Judged)).await;
    growth.abort();
}

#[tokio::test]
async fn a_reader_has_every_message_once_in_order_from_where_it_was_told_to_begin() {
    let Plain { bus, .. } = &Plain::start().await;
    publish(bus, subject::raw, 0..2_500).await;
    let moment = now();
    publish(bus, subject::raw, 2_500..2_600).await;
    let all = bus.stored(Source::RawTrades, Start::Beginning).await.unwrap();
    assert_eq!(all.len(), 52, "one in fifty is a trade");
    assert!(all.is_sorted_by(|one, two| one.sequence < two.sequence));
    assert!(all.iter().all(|message| message.payload.len() == PAYLOAD_BYTES));
    let later = bus.stored(Source::RawTrades, Start::Moment(moment)).await.unwrap();
    assert_eq!(later.iter().map(|message| message.sequence).collect::<Vec<_>>(), [2_501, 2_551]);
    let future = moment.plus(Duration::from_hours(1));
    assert!(bus.stored(Source::RawTrades, Start::Moment(future)).await.unwrap().is_empty());
    // Nothing yet, then several batches, and what comes while they are read.
    let mut reader = bus.reader(Source::Judged, Start::Beginning);
    let (read_up_to, none_yet) = (reader.read_up_to(), Duration::from_millis(200));
    assert_eq!(read_up_to.sequence(), None);
    assert!(tokio::time::timeout(none_yet, reader.next()).await.is_err());
    assert_eq!(read_up_to.sequence(), Some(0));
    publish(bus, judged, 0..2_500).await;
    for sequence in 1..=2_500 {
        assert_eq!(reader.next().await.unwrap().sequence, sequence);
    }
    // A wait that is dropped loses nothing.
    assert!(tokio::time::timeout(Duration::from_millis(100), reader.next()).await.is_err());
    publish(bus, judged, 2_500..2_501).await;
    assert_eq!(
        bus.unread(Source::Judged, 2_500).await.unwrap().1.map(|message| message.sequence),
        Some(2_501)
    );
    assert_eq!((reader.next().await.unwrap().sequence, read_up_to.sequence()), (2_501, Some(2_501)));
    assert_eq!(bus.unread(Source::Judged, 2_501).await.unwrap().0, 0);
}

#[tokio::test]
async fn a_reader_goes_on_with_the_first_message_of_a_stream_that_was_made_again() {
    let plain = Plain::start().await;
    publish(&plain.bus, judged, 0..10).await;
    let mut reader = plain.bus.reader(Source::Judged, Start::Beginning);
    for _ in 0..10 {
        reader.next().await.unwrap();
    }
    let upkeep = tokio::spawn(plain.bus.clone().upkeep());
    let mut wire = Wire::connect(plain.nats.port(), None).await.unwrap();
    wire.publish("$JS.API.STREAM.DELETE.TICKS_JUDGED").await.unwrap();
    eventually("the stream is there again", Duration::from_secs(10), async || {
        let again = plain.bus.recreated();
        if again.iter().any(|line| line.contains("the stream `TICKS_JUDGED`")) {
            Ok(())
        } else {
            Err(format!("{again:?}"))
        }
    })
    .await;
    publish(&plain.bus, judged, 10..12).await;
    let next = async {
        loop {
            match reader.next().await {
                Ok(message) => return message.sequence,
                Err(error) => eprintln!("{error}"),
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), next).await, Ok(1));
    upkeep.abort();
}

#[tokio::test]
async fn streams_that_are_deleted_are_made_again_within_ten_seconds_and_no_trade_is_lost() {
    let world = World::start(Settings::scenario("calm").sized(20, 200, Some(60))).await;
    world.sim.begin();
    world.flowing().await;
    let login = ("admin", world.password("admin"));
    let mut admin = Wire::connect(world.nodes().next().unwrap().port(), Some(login)).await.unwrap();
    for stream in ["TICKS_RAW", "TICKS_JUDGED", "MARKETS", "GAPS", "DEAD", "KV_FEED"] {
        admin.publish(&format!("$JS.API.STREAM.DELETE.{stream}")).await.unwrap();
        let name = stream.trim_start_matches("KV_");
        eventually("the page says that it is there again", Duration::from_secs(10), async || {
            let (_, body) = world.get("/api/status").await.map_err(|error| error.to_string())?;
            let body = body.to_string();
            let said = body.contains(&format!("`{name}` was gone and has been made again"));
            if said { Ok(()) } else { Err(body) }
        })
        .await;
        world.flowing().await;
    }
    world.sim.finished().await.unwrap();
    let spans = "select count(distinct condition_id), count(*) filter (where state <> 'healed') from api.gaps \
                 where cause = 'stream_lost'";
    eventually("what was lost is a gap in each market, and healed", Duration::from_mins(1), async || {
        let counts = world.query(spans).await;
        if counts[0] == ["20", "0"] { Ok(()) } else { Err(format!("{counts:?}")) }
    })
    .await;
    let bus = Bus::connect_read_only(&world.bus_as("admin")).await.unwrap();
    let markets = bus.stored(Source::Markets, Start::Beginning).await.unwrap();
    assert_eq!(markets.len(), 20, "every market is there again for a dashboard that starts");
    world.finish().await;
}
