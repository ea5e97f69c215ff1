// What the page keeps of the stream: the ring, the hole behind a loss, the pauses between attempts.

import { describe, expect, it } from "vitest";
import type { Event } from "../src/api/types.js";
import { pause } from "../src/live/backoff.js";
import { fill } from "../src/live/hole.js";
import { Ring } from "../src/live/ring.js";

const entry = (number: number): { id: string } => ({ id: String(number) });
const event = (number: number): Event => entry(number) as Event;
/** Events from a newer number down to an older one. */
const downTo = (newest: number, oldest: number): Event[] =>
  Array.from({ length: newest - oldest + 1 }, (_, index) => event(newest - index));

describe("the ring", () => {
  it("holds the newest, newest first, and forgets the ids of what went", () => {
    const ring = new Ring<{ id: string }>(3);
    for (let number = 0; number < 5; number += 1) ring.push(entry(number));
    expect(ring.newest().map(({ id }) => id)).toEqual(["4", "3", "2"]);
    expect([ring.has("1"), ring.has("2"), ring.length]).toEqual([false, true, 3]);
    expect(ring.at(2)?.id).toBe("2");
    expect(ring.at(3)).toBeUndefined();
  });

  it("takes nothing twice", () => {
    const ring = new Ring<{ id: string }>(3);
    expect([ring.push(entry(1)), ring.push(entry(1)), ring.length]).toEqual([true, false, 1]);
  });
});

describe("a hole", () => {
  it("is filled page by page up to what is known", async () => {
    const asked: string[] = [];
    const filled = await fill(
      downTo(100, 90),
      (id) => Number(id) <= 72,
      (id) => {
        asked.push(id);
        return Promise.resolve(downTo(Number(id) - 1, Number(id) - 10));
      },
    );
    expect(filled.isWhole).toBe(true);
    expect(filled.events.map(({ id }) => Number(id))).toEqual(downTo(100, 73).map(({ id }) => Number(id)));
    expect(asked).toEqual(["90", "80"]);
  });

  it("is told when what is known is never reached", async () => {
    for (const answer of [[], null]) {
      const filled = await fill(
        downTo(5, 4),
        () => false,
        () => Promise.resolve(answer),
      );
      expect([filled.isWhole, filled.events.length]).toEqual([false, 2]);
    }
  });
});

describe("pauses", () => {
  it("double up to a ceiling, spread over their upper half", () => {
    expect([0, 1, 2, 10, 1000].map((attempt) => pause(attempt, 1))).toEqual([400, 800, 1600, 10_000, 10_000]);
    expect(pause(3, 0)).toBe(1600);
  });
});
