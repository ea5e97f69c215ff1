// Words for what the API names by ids.
//
// Knows: the vocabulary of the page. Never: numbers.

import type { BookState, StageName } from "../api/types.js";

export const CAUSES: Record<string, string> = {
  socket_closed: "socket closed",
  silence: "silence",
  feed_restart: "feed restarted",
  buffer_full: "buffer full",
  book_mismatch: "book mismatch",
  resubscribed: "re-subscribed",
  not_followed: "not followed",
  stream_lost: "stream lost on the bus",
  frame_refused: "unreadable frame",
  overruled: "book was wrong, by REST",
};

export const cause = (word: string): string => CAUSES[word] ?? word.replaceAll("_", " ");

export const BOOK_STATES: Record<BookState, string> = {
  live: "live",
  quiet: "quiet",
  suspect: "suspect",
  resyncing: "resyncing",
  never_seen: "never seen",
};

export const STAGES: Record<StageName, string> = {
  venue: "Venue",
  feed: "Feed",
  nats_raw: "NATS raw",
  processor: "Processor",
  nats_judged: "NATS judged",
  writer: "Writer",
  postgres: "Postgres",
  dashboard: "Dashboard",
};
