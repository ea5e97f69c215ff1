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
