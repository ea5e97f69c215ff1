//! The way of a tick: taken, read, judged, published, let go.
//!
//! Knows: how many may be under way, and who waits for whom. Never: a limit of a gate.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::{Bus, Delivery, SharedConsumer};
use chassis::backoff::Backoff;
use chassis::clock;
use chassis::trace::{Role, Span, Tracer};
use contract::codec::encode;
use contract::overruled::Overruled;
use contract::subject;
use contract::tick::{Origin, Tick, Trade};
use contract::time::Timestamp;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use gates::evidence::Answer;
use gates::judge::{Decision, Evidence, Judgement, Question, judge};
use gates::limits::Limits;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::answers::Answers;
use crate::messages::{self, MessageContext, catch_panic};
use crate::metrics::Metrics;
use crate::settle::{Outgoing, PublishOutcome};

/// Messages published and not acknowledged yet: hides a round trip of a second at a thousand ticks a second.
const UNSETTLED_MAX: usize = 1_024;
/// Trades that wait for an answer at once; one beyond is judged by what it carries.
const ASKING_MAX: usize = 256;
/// How often a waiting trade says so: well within the 10 s after which the bus would deliver it again.
const PROGRESS_EVERY: Duration = Duration::from_secs(4);
/// How long what is under way may take after a stop.
const DRAIN_MAX: Duration = Duration::from_secs(6);
/// Pauses after reading from the bus broke off.
const READ_RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Everything a tick needs on its way.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) bus: Bus,
    pub(crate) answers: Answers,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: Metrics,
    pub(crate) tracer: Tracer,
}

/// What is to be done with a delivery.
#[derive(Debug)]
enum Next {
    /// Publish this.
    Publish(bus::Message, PublishOutcome),
    /// Ask this about the trade first.
    Ask(Box<Trade>, Vec<Question>),
}

impl Pipeline {
    /// Judges what comes until `stop`, then ends what is under way.
    ///
    /// # Errors
    /// When a waiting trade's task panicked.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut deliveries = self.bus.consume(SharedConsumer::Raw);
        let (mut unsettled, mut asking) = (FuturesUnordered::new(), JoinSet::new());
        let mut backoff = Backoff::new(READ_RETRY.0, READ_RETRY.1);
        loop {
            self.metrics.asking.set(i64::try_from(asking.len()).unwrap_or(i64::MAX));
            self.metrics.publishes_under_way.set(i64::try_from(unsettled.len()).unwrap_or(i64::MAX));
            let taken = tokio::select! {
                () = stop.cancelled() => break,
                Some(()) = unsettled.next(), if !unsettled.is_empty() => continue,
                Some(ended) = asking.join_next(), if !asking.is_empty() => {
                    ended.context("a waiting trade was lost")?;
                    continue;
                }
                taken = deliveries.next(), if unsettled.len() < UNSETTLED_MAX => taken,
            };
            match taken {
                Ok(delivery) => {
                    backoff.reset();
                    self.count(&delivery);
                    let judge = delivery.traced(&self.tracer, "judge", Role::Consumer);
                    let next = self.begin(&delivery, asking.len() < ASKING_MAX);
                    match next {
                        Next::Publish(mut message, tally) => {
                            let span = judge.map(|judge| decided(judge, &tally, &mut message));
                            // Sent here and not in the background, so that ticks leave in the order they came.
                            let sent = self.bus.publish(&message).await;
                            let outgoing = Outgoing { delivery, message, tally, span };
                            unsettled.push(outgoing.settle(self.bus.clone(), self.metrics.clone(), sent));
                        }
                        Next::Ask(trade, questions) => {
                            asking.spawn(self.clone().ask(delivery, trade, questions, judge));
                        }
                    }
                }
                Err(error) => {
                    warn!("reading from the bus broke off: {}", chassis::logline::error_chain(&error));
                    tokio::select! {
                        () = tokio::time::sleep(backoff.next(fastrand::u64(..))) => {}
                        () = stop.cancelled() => break,
                    }
                }
            }
        }
        drop(deliveries);
        let drained = timeout(DRAIN_MAX, async {
            while unsettled.next().await.is_some() {}
            while let Some(ended) = asking.join_next().await {
                ended.context("a waiting trade was lost")?;
            }
            anyhow::Ok(())
        });
        // What did not end in time comes again, here or elsewhere.
        drained.await.unwrap_or(Ok(()))
    }

    fn count(&self, delivery: &Delivery) {
        self.metrics.received.inc();
        if delivery.attempt > 1 {
            self.metrics.redelivered.inc();
        }
    }

    /// Reads and judges a delivery by what it carries. `may_ask`: whether there is room for one more to wait.
    fn begin(&self, delivery: &Delivery, may_ask: bool) -> Next {
        let begun = catch_panic(|| {
            let tick = messages::read(&delivery.subject, delivery.schema.as_deref(), &delivery.payload)?;
            let trade = match tick {
                Tick::Trade(trade) => trade,
                other => {
                    let message = messages::passed_on(&other, delivery.payload.clone(), thread(delivery));
                    return Ok(Next::Publish(message, PublishOutcome::Passed(other.kind())));
                }
            };
            let decision = match judge(&trade, &Evidence::default(), &self.limits) {
                Decision::Ask(_) if !may_ask => {
                    self.metrics.not_asked.inc();
                    judge(&trade, &unavailable(), &self.limits)
                }
                decision => decision,
            };
            Ok(match decision {
                Decision::Decided(judgement) => self.judged(*trade, judgement, thread(delivery)),
                Decision::Ask(questions) => Next::Ask(trade, questions),
            })
        });
        begun.flatten().unwrap_or_else(|error| dead(delivery, &error))
    }

    fn judged(&self, trade: Trade, judgement: Judgement, thread: MessageContext) -> Next {
        let is_live = trade.origin == Origin::Socket;
        let age_us = is_live.then(|| trade.received_at.micros_since(trade.executed_at));
        for reason in &judgement.reasons {
            let verdict = judgement.verdict;
            debug!(token.id = %trade.token_id, gate = %reason, %verdict, "`{reason}` speaks against a trade");
        }
        let tally = PublishOutcome::Judged { judgement: Box::new(judgement.clone()), age_us };
        let judged_at = now();
        self.metrics.judged_after(judged_at.micros_since(trade.received_at));
        Next::Publish(messages::judged(trade, judgement, judged_at, thread), tally)
    }

    /// Waits for the answers about a trade, then judges, publishes and lets go of it.
    async fn ask(
        self,
        delivery: Delivery,
        trade: Box<Trade>,
        questions: Vec<Question>,
        judge_span: Option<Span>,
    ) {
        let evidence = self.evidence(&delivery, &trade, &questions, judge_span.as_ref()).await;
        let thread = thread(&delivery);
        let mut overruled = None;
        let decision = catch_panic(|| match judge(&trade, &evidence, &self.limits) {
            Decision::Decided(judgement) => {
                overruled = judgement.overruled.then(|| self.overruled(&trade));
                Ok(self.judged(*trade, judgement, thread))
            }
            Decision::Ask(questions) => Err(format!("asked again for {questions:?}")),
        });
        if let Some(overruled) = overruled {
            self.tell_feed(&overruled).await;
        }
        let (mut message, tally) = match decision.flatten().unwrap_or_else(|error| dead(&delivery, &error)) {
            Next::Publish(message, tally) => (message, tally),
            Next::Ask(..) => return,
        };
        let span = judge_span.map(|judge| decided(judge, &tally, &mut message));
        let sent = self.bus.publish(&message).await;
        Outgoing { delivery, message, tally, span }.settle(self.bus, self.metrics, sent).await;
    }

    fn overruled(&self, trade: &Trade) -> Overruled {
        Overruled {
            condition_id: trade.condition_id.clone(),
            token_id: trade.token_id.clone(),
            price: trade.price,
            deviation_max: self.limits.price_deviation_max,
            at: now(),
        }
    }

    /// The feed's book may be wrong: it looks, and fetches it anew. Best effort: the next such trade says it again.
    async fn tell_feed(&self, overruled: &Overruled) {
        let subject = subject::overruled(&overruled.condition_id);
        if let Err(error) = self.bus.publish_unacked(subject, encode(overruled)).await {
            debug!(%error, token.id = %overruled.token_id, "the feed was not told of an overruled book");
        }
    }

    async fn evidence(
        &self,
        delivery: &Delivery,
        trade: &Trade,
        questions: &[Question],
        cause: Option<&Span>,
    ) -> Evidence {
        let mut answered = std::pin::pin!(self.answers.to(questions, trade, &self.limits, cause));
        let mut every = interval(PROGRESS_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        every.reset();
        loop {
            tokio::select! {
                evidence = &mut answered => return evidence,
                _ = every.tick() => {
                    if let Err(error) = delivery.progress().await {
                        debug!(%error, "the bus was not told that a trade is being worked on");
                    }
                }
            }
        }
    }
}

/// Ends the span of judging and begins that of publishing what came of it.
fn decided(judge: Span, tally: &PublishOutcome, message: &mut bus::Message) -> Span {
    let publish = message.traced(&judge);
    let judge = match tally {
        PublishOutcome::Judged { judgement, .. } => {
            let reasons: Vec<String> = judgement.reasons.iter().map(ToString::to_string).collect();
            judge
                .text("polyfeed.verdict", judgement.verdict.word())
                .text("polyfeed.reasons", reasons.join(" "))
        }
        PublishOutcome::Passed(_) => judge,
        PublishOutcome::Dead => judge.failed("the message cannot be understood"),
    };
    judge.end();
    publish
}

fn unavailable() -> Evidence {
    Evidence { size: Some(Answer::Unavailable), book: Some(Answer::Unavailable) }
}

fn thread(delivery: &Delivery) -> MessageContext {
    MessageContext::of(delivery.correlation_id.as_deref(), delivery.traceparent)
}

fn dead(delivery: &Delivery, error: &str) -> Next {
    warn!(
        subject = delivery.subject,
        bus.sequence = delivery.sequence,
        "a message cannot be understood: {error}"
    );
    let Delivery { subject, sequence, payload, .. } = delivery;
    Next::Publish(
        messages::dead(subject, *sequence, error, payload, now(), thread(delivery)),
        PublishOutcome::Dead,
    )
}

fn now() -> Timestamp {
    clock::now().into()
}
