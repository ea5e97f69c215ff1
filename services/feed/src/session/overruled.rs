//! Hears from the processors which books REST has overruled.
//!
//! Knows: the subject and our shard. Never: a book.

use std::time::Duration;

use bus::Bus;
use contract::codec::decode;
use contract::overruled::Overruled;
use contract::subject;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::control::ControlEvent;
use crate::shard::Shard;

/// Pause after the subscription could not be made or has ended.
const RETRY: Duration = Duration::from_secs(5);

/// Hands on what concerns our shard until `stop`.
pub(crate) async fn listen(
    bus: Bus,
    shard: Shard,
    events: mpsc::Sender<ControlEvent>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listening = async {
        loop {
            match bus.listen(subject::OVERRULED_ALL).await {
                Ok(mut listener) => {
                    while let Some(message) = listener.next().await {
                        hand_on(&message.payload, shard, &events);
                    }
                }
                Err(error) => {
                    warn!("overruled books cannot be received: {}", chassis::logline::error_chain(&error));
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    stop.run_until_cancelled(listening).await;
    Ok(())
}

fn hand_on(payload: &[u8], shard: Shard, events: &mpsc::Sender<ControlEvent>) {
    match decode::<Overruled>(payload) {
        Ok(overruled) if shard.holds(&overruled.condition_id) => {
            if let Err(error) = events.try_send(ControlEvent::Overruled(overruled)) {
                debug!(%error, "the subscription manager is busy: the next such trade says it again");
            }
        }
        Ok(_) => {}
        Err(error) => warn!(%error, "a message on `{}` cannot be read", subject::OVERRULED_ALL),
    }
}
