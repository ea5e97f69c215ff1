//! Books by REST, for tokens whose socket does not bring them.
//!
//! Knows: how many are asked for at once and how often. Never: why one is wanted.

use std::time::Duration;

use contract::ids::TokenId;
use polymarket::rest::{BOOKS_TOKENS_MAX, Rest, RestBook};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::control::{ControlEvent, SocketCommand};

/// From one question to the next.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Questions that may wait; whoever finds the way full asks again later.
const QUESTIONS_MAX: usize = 256;

/// Where books are asked for; a clone leads to the same place.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotRequests(mpsc::Sender<Question>);

/// Whoever answers.
#[derive(Debug)]
pub(crate) struct SnapshotFetcher {
    rest: Rest,
    questions: mpsc::Receiver<Question>,
    events: mpsc::Sender<ControlEvent>,
}

#[derive(Debug)]
struct Question {
    tokens: Vec<TokenId>,
    /// The socket that wants the books; none: only whether there are any.
    socket: Option<mpsc::Sender<SocketCommand>>,
}

impl SnapshotRequests {
    /// A way to ask, and whoever answers. `words`: where is said which tokens have no book.
    pub(crate) fn new(rest: Rest, events: mpsc::Sender<ControlEvent>) -> (Self, SnapshotFetcher) {
        let (ask, questions) = mpsc::channel(QUESTIONS_MAX);
        (Self(ask), SnapshotFetcher { rest, questions, events })
    }

    /// Fetches the books of these tokens for a socket.
    pub(crate) fn fetch(&self, tokens: &[TokenId], socket: &mpsc::Sender<SocketCommand>) {
        self.ask(tokens, Some(socket));
    }

    /// Asks whether these tokens have books at all: the subscription manager gets the answer.
    pub(crate) fn look(&self, tokens: &[TokenId]) {
        self.ask(tokens, None);
    }

    fn ask(&self, tokens: &[TokenId], socket: Option<&mpsc::Sender<SocketCommand>>) {
        for chunk in tokens.chunks(BOOKS_TOKENS_MAX) {
            let question = Question { tokens: chunk.to_vec(), socket: socket.cloned() };
            if let Err(error) = self.0.try_send(question) {
                debug!(%error, "too many books are asked for by REST: later");
            }
        }
    }
}

impl SnapshotFetcher {
    /// Answers until `stop`: one call a second for as many tokens as it takes.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut every = interval(ASK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut left_over = None;
        loop {
            if left_over.is_none() {
                left_over = stop.run_until_cancelled(self.questions.recv()).await.flatten();
            }
            let Some(first) = left_over.take() else { return Ok(()) };
            if stop.run_until_cancelled(every.tick()).await.is_none() {
                return Ok(());
            }
            let (mut round, mut count) = (Vec::new(), 0);
            let mut next = Some(first);
            while let Some(question) = next {
                if count + question.tokens.len() > BOOKS_TOKENS_MAX {
                    left_over = Some(question);
                    break;
                }
                count += question.tokens.len();
                round.push(question);
                next = self.questions.try_recv().ok();
            }
            if stop.run_until_cancelled(self.answer(round)).await.is_none() {
                return Ok(());
            }
        }
    }

    async fn answer(&self, round: Vec<Question>) {
        let tokens: Vec<TokenId> = round.iter().flat_map(|question| question.tokens.clone()).collect();
        let books = match self.rest.books(&tokens).await {
            Ok(books) => books,
            Err(error) => {
                let problem = chassis::logline::error_chain(&error);
                warn!(tokens = tokens.len(), "books cannot be fetched by REST: {problem}");
                return;
            }
        };
        info!(asked = tokens.len(), received = books.len(), "books were fetched by REST");
        for question in &round {
            self.deliver(question, &books);
        }
    }

    fn deliver(&self, question: &Question, books: &[RestBook]) {
        let of = |token: &TokenId| books.iter().find(|book| book.token_id == *token);
        let Some(socket) = &question.socket else {
            let (with_book, without) = question.tokens.iter().cloned().partition(|token| of(token).is_some());
            if let Err(error) = self.events.try_send(ControlEvent::Looked { with_book, without }) {
                debug!(%error, "the subscription manager is busy: it asks again");
            }
            return;
        };
        for book in question.tokens.iter().filter_map(of) {
            if let Err(error) = socket.try_send(SocketCommand::Snapshot(Box::new(book.clone()))) {
                debug!(%error, "a socket has no room for a book: it asks again");
            }
        }
    }
}
