// The part of the list of markets that is in sight, asked for block by block.
//
// Knows: blocks, the newest question, when a block is old. Never: order or filter; the server has them.

import { signal } from "@preact/signals";
import { ask, type Query } from "../api/client.js";
import type { Token, TokenPage } from "../api/types.js";

const BLOCK = 100;
/** Blocks kept: what lies far from sight is forgotten. */
const BLOCKS_MAX = 40;
const REFRESH_MS = 2000;
/** A hand on the scroll bar passes over more than it looks at. */
const SETTLE_MS = 40;

export interface Window {
  total: number;
  matched: number;
  counts: TokenPage["counts"] | null;
  why: string | null;
}

const NOTHING: Window = { total: 0, matched: 0, counts: null, why: null };

/** One list, by one order and filter. */
export class Tokens {
  readonly window = signal<Window>(NOTHING);
  /** Counts up when rows have come. */
  readonly version = signal(0);
  readonly #blocks = new Map<number, readonly Token[]>();
  #query: Query = {};
  #key = "";
  #span = { first: 0, end: 1 };
  #question: AbortController | null = null;
  /** When the next round begins; infinite while one is under way. */
  #dueAt = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  at(index: number): Token | undefined {
    return this.#blocks.get(Math.floor(index / BLOCK))?.[index % BLOCK];
  }

  /** Another order or filter: what was there is shown until its successor comes. */
  choose(query: Query): void {
    const key = JSON.stringify(query);
    if (key === this.#key) return;
    [this.#query, this.#key] = [query, key];
    this.#blocks.clear();
    this.#plan(0);
  }

  /** The rows in sight. */
  look(first: number, end: number): void {
    this.#span = { first, end: Math.max(end, first + 1) };
    // A round that is under way sees by itself what is in sight now.
    const isAsking = this.#question !== null;
    if (!isAsking && this.#wanted(new Set(this.#blocks.keys())) !== undefined) this.#plan(SETTLE_MS);
  }

  /** Ends all questions. */
  close(): void {
    clearTimeout(this.#timer);
    this.#question?.abort();
  }

  #places(): number[] {
    const places: number[] = [];
    for (let block = Math.floor(this.#span.first / BLOCK); block * BLOCK < this.#span.end; block += 1)
      places.push(block);
    return places;
  }

  /** The blocks before and behind what is in sight. */
  #beside(): number[] {
    const places = this.#places();
    const lastBlock = Math.ceil(this.window.value.matched / BLOCK) - 1;
    const beside = [(places.at(-1) ?? 0) + 1, (places[0] ?? 0) - 1];
    return beside.filter((block) => block >= 0 && block <= lastBlock);
  }

  /** What to ask for next: what lacks in sight, then what lacks beside it, then what is in sight anew. */
  #wanted(asked: ReadonlySet<number>): number | undefined {
    const lacks = (block: number): boolean => !this.#blocks.has(block);
    const places = this.#places();
    const order = [...places.filter(lacks), ...this.#beside().filter(lacks), ...places];
    return order.find((block) => !asked.has(block));
  }

  /** Begins a round after a while, or earlier where one is due earlier; ends the round under way for one at once. */
  #plan(wait: number): void {
    const dueAt = performance.now() + wait;
    if (wait > 0 && dueAt >= this.#dueAt) return;
    this.#dueAt = dueAt;
    this.#question?.abort();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#read(), wait);
  }

  async #read(): Promise<void> {
    const mine = new AbortController();
    [this.#question, this.#dueAt] = [mine, Infinity];
    const asked = new Set<number>();
    for (;;) {
      const block = document.hidden ? undefined : this.#wanted(asked);
      if (block === undefined) break;
      asked.add(block);
      const query = { ...this.#query, offset: block * BLOCK, limit: BLOCK };
      const answer = await ask<TokenPage>("/api/tokens", query, mine.signal);
      if (mine.signal.aborted) return;
      this.#take(block, answer);
      if (!answer.ok) break;
    }
    this.#question = null;
    this.#plan(REFRESH_MS);
  }

  #take(block: number, answer: Awaited<ReturnType<typeof ask<TokenPage>>>): void {
    if (!answer.ok) {
      this.window.value = { ...this.window.value, why: answer.why };
      return;
    }
    const { total, matched, counts, tokens } = answer.value;
    this.#blocks.delete(block);
    this.#blocks.set(block, tokens);
    for (const old of this.#blocks.keys()) {
      if (this.#blocks.size <= BLOCKS_MAX) break;
      this.#blocks.delete(old);
    }
    this.window.value = { total, matched, counts, why: null };
    this.version.value += 1;
  }
}
