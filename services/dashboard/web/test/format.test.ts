// How values look: numbers, money, spans.

import { describe, expect, it } from "vitest";
import {
  count,
  direction,
  grouped,
  percent,
  price,
  rate,
  shares,
  shifted,
  UNKNOWN,
} from "../src/format/number.js";
import { restartWords } from "../src/format/restarts.js";
import { isApart, sideWord } from "../src/format/tick.js";
import { latency, span } from "../src/format/time.js";

describe("numbers", () => {
  it("keeps thousands apart and decimals as they came", () => {
    expect(grouped("1234567.8901")).toBe("1\u202f234\u202f567.8901");
    expect(grouped("-1234")).toBe("-1\u202f234");
    expect(count(999)).toBe("999");
  });

  it("shows what is not known as a dash, never as nought", () => {
    for (const show of [count, rate, percent]) expect(show(null)).toBe(UNKNOWN);
    expect(price(null, "cents")).toBe(UNKNOWN);
    expect(shares(undefined)).toBe(UNKNOWN);
    expect(count(0)).toBe("0");
  });

  it("never rounds a share up to a full hundred", () => {
    expect(percent(0.9999)).toBe("99.9\u202f%");
    expect(percent(1)).toBe("100.0\u202f%");
  });
});

describe("prices", () => {
  it.each([
    ["0.55", "55"],
    ["0.555", "55.5"],
    ["0.5", "50"],
    ["0.001", "0.1"],
    ["0.05", "5"],
    ["1", "100"],
    ["0", "0"],
    ["-0.015", "-1.5"],
    ["0.30000000000000004441", "30.000000000000004441"],
  ])("moves the point of %s two places, exactly", (text, cents) => {
    expect(shifted(text)).toBe(cents);
  });

  it("tells up from down, and neither when one side is unknown", () => {
    expect(direction("0.5", "0.6")).toBe(1);
    expect(direction("0.6", "0.5")).toBe(-1);
    expect(direction("0.50", "0.5")).toBe(0);
    expect(direction(null, "0.5")).toBeNull();
  });
});

describe("spans and latencies", () => {
  it("uses the largest units that fit", () => {
    expect(span(3)).toBe("3.0 s");
    expect(span(75)).toBe("1 min 15 s");
    expect(span(90_061)).toBe("1 d 1 h");
  });

  it("keeps the sign: a clock that runs ahead is shown", () => {
    expect(latency(-184_200)).toBe("−184 ms");
    expect(latency(-2_500)).toBe("−2.5 ms");
    expect(latency(1_500_000)).toBe("1.50 s");
  });
});

describe("restarts", () => {
  const restart = (second: number): Parameters<typeof restartWords>[0][number] => ({
    service: "writer",
    at: new Date(2026, 10, 28, 22, 19, second).toISOString(),
    instance: "writer-2",
    before: "writer-1",
  });

  it("are told with their time for a minute, and never as an unknown process", () => {
    const now = new Date(2026, 10, 28, 22, 20, 20).getTime();
    expect(restartWords([restart(33), restart(20)], now)).toEqual(["writer restarted 22:19:33"]);
    expect(restartWords([], now)).toEqual([]);
  });
});

describe("a tick", () => {
  const received_at = "2026-11-28T22:16:39.000000Z";

  it.each([
    ["2026-11-28T22:16:38.000000Z", false],
    ["2026-11-28T22:16:37.999000Z", true],
    ["2026-11-28T22:17:23.000000Z", true],
    ["2026-11-28T21:15:01.000000Z", true],
  ])("of %s, received at 22:16:39, tells both moments: %s", (at, apart) => {
    expect(isApart({ at, received_at })).toBe(apart);
  });

  it("has the side of its taker, or none that is known", () => {
    expect([sideWord("BUY"), sideWord("SELL"), sideWord(null)]).toEqual(["buy", "sell", UNKNOWN]);
  });
});
