// The pure parts of what is drawn: windows, lines, the pace of an arrow, the address, the heat map.

import { describe, expect, it } from "vitest";
import type { Arrow, Chart } from "../src/api/types.js";
import { draw } from "../src/components/spark.js";
import { inSight, step, towards } from "../src/components/window.js";
import { fullness, pace } from "../src/format/flow.js";
import { parse, text } from "../src/state/route.js";
import { shade } from "../src/views/coverage.js";
import { layout, walk } from "../src/views/heatmap.js";
import { columns } from "../src/views/pricelines.js";

describe("a window on a long list", () => {
  it("draws what is in sight and a few more, never beyond the ends", () => {
    expect(inSight(28 * 1000, 280, 28, 20_000)).toEqual({ first: 996, end: 1014 });
    expect(inSight(0, 280, 28, 5)).toEqual({ first: 0, end: 5 });
    expect(inSight(99_999, 280, 28, 3)).toEqual({ first: 3, end: 3 });
  });

  it("is led by keys", () => {
    expect([step("ArrowDown", 0, 10, 5), step("ArrowUp", 0, 10, 5), step("End", 0, 10, 5)]).toEqual([
      1, 0, 9,
    ]);
    expect([step("PageDown", 8, 10, 5), step("x", 0, 10, 5), step("Home", 3, 0, 5)]).toEqual([9, null, null]);
  });

  it("moves only as far as a row needs", () => {
    expect([towards(5, 0, 280, 28), towards(10, 0, 280, 28), towards(2, 100, 280, 28)]).toEqual([
      null,
      28,
      56,
    ]);
  });
});

describe("a line of five minutes", () => {
  it("has a hole where nothing was told", () => {
    const values = [
      ...new Array<number>(150).fill(5),
      ...new Array<null>(60).fill(null),
      ...new Array<number>(90).fill(6),
    ];
    expect(draw(values).stroke.match(/M/g)).toHaveLength(2);
    expect(draw([null, null]).stroke).toBe("");
  });
});

describe("the pace of an arrow", () => {
  const arrow = (told: Partial<Arrow>): Arrow => ({
    from: "feed",
    to: "nats_raw",
    rate: 100,
    lag: 0,
    age_s: 0,
    ...told,
  });

  it("is judged by how long it takes to work off what waits", () => {
    expect(pace(arrow({ lag: 400 }))).toBe("ok");
    expect(pace(arrow({ lag: 1000 }))).toBe("behind");
    expect(pace(arrow({ lag: 5000 }))).toBe("stuck");
    expect(pace(arrow({ lag: 5000, rate: 0 }))).toBe("stuck");
  });

  it("takes an old message for trouble only where something waits", () => {
    expect(pace(arrow({ age_s: 60 }))).toBe("ok");
    expect(pace(arrow({ lag: 1, age_s: 60 }))).toBe("stuck");
  });

  it("is unknown where nothing is measured", () => {
    expect(pace(undefined)).toBe("unknown");
    expect(pace(arrow({ rate: null, lag: null, age_s: null }))).toBe("unknown");
    expect(fullness(null)).toBe(0);
  });
});

describe("the address", () => {
  it("comes back as it was", () => {
    const place = { view: "markets" as const, params: { q: "a & b", sort: "age", units: "cents" } };
    expect(parse(text(place))).toEqual(place);
    expect(text({ view: "overview", params: { q: "" } })).toBe("#/");
    expect(parse("#/nonsense?x=1").view).toBe("overview");
  });
});

describe("coverage", () => {
  it("is whole only when nothing is missing, and not known is not bad", () => {
    expect([1, 0.9999, 0.95, 0.5, 0].map(shade)).toEqual(["0", "1", "2", "3", "4"]);
    expect(shade(null)).toBe("none");
  });
});

describe("the heat map", () => {
  it("shows the buckets that were seen, one more on each side", () => {
    expect(layout([[0, 0, 3, 0, 0, 0], null, [0, 0, 1, 9, 0, 0]], 6)).toEqual({
      steps: 3,
      low: 1,
      high: 5,
      most: 9,
    });
    expect(layout([[0, 0], null], 2)).toBeNull();
  });

  it("is walked through by keys, cell by cell, within its bounds", () => {
    const laid = { steps: 3, low: 1, high: 4, most: 9 };
    expect(walk("ArrowLeft", null, laid)).toEqual({ step: 2, bucket: 1 });
    expect(walk("ArrowRight", { step: 2, bucket: 1 }, laid)).toEqual({ step: 2, bucket: 1 });
    expect(walk("ArrowUp", { step: 2, bucket: 3 }, laid)).toEqual({ step: 2, bucket: 3 });
    expect(walk("ArrowDown", { step: 2, bucket: 3 }, laid)).toEqual({ step: 2, bucket: 2 });
    expect(walk("Home", { step: 2, bucket: 2 }, laid)).toEqual({ step: 0, bucket: 2 });
    expect(walk("x", null, laid)).toBeNull();
  });
});

describe("the lines of a price", () => {
  const at = (second: number): string => new Date(second * 1000).toISOString();
  const quote = (second: number, bid: string): Chart["prices"][number] => ({
    at: at(second),
    bid,
    ask: null,
  });
  const chart = (told: Partial<Chart>): Chart => ({
    from: at(0),
    to: at(1000),
    step_s: 1,
    prices: [],
    trades: [],
    known_from: null,
    gaps: [],
    ...told,
  });
  const bids = (told: Partial<Chart>): (number | null)[][] => {
    const [times = [], values = []] = columns(chart(told));
    return times.map((time, place) => [time, values[place] ?? null]);
  };
  const gap = (opened: number, healed: number | null): Chart["gaps"][number] => ({
    opened_at: at(opened),
    healed_at: healed === null ? null : at(healed),
    cause: "silence",
  });

  it("do not begin before the market was known here", () => {
    expect(bids({ prices: [quote(-500, "0.4"), quote(100, "0.5")], known_from: at(60) })).toEqual([
      [60, 0.4],
      [100, 0.5],
    ]);
    expect(bids({ prices: [quote(-500, "0.4")] })).toEqual([[-500, 0.4]]);
  });

  it("end where a gap begins, and go on behind it with what is known then", () => {
    const prices = [quote(10, "0.4"), quote(25, "0.6"), quote(90, "0.7")];
    expect(bids({ prices, gaps: [gap(20, 30), gap(28, 40)] })).toEqual([
      [10, 0.4],
      [20, 0.4],
      [20.001, null],
      [40, 0.6],
      [90, 0.7],
    ]);
    expect(bids({ prices: [quote(10, "0.4")], gaps: [gap(20, null)] }).at(-1)).toEqual([20.001, null]);
  });

  it("are not ended by a trade, nor begun by one within a gap", () => {
    const trade = (second: number): Chart["trades"][number] => ({
      at: at(second),
      id: "",
      price: "0.45",
      size: null,
      side: "BUY",
      verdict: "clean",
      reasons: [],
      origin: "rest",
    });
    const told = { prices: [quote(10, "0.4")], trades: [trade(15), trade(25)], gaps: [gap(20, 30)] };
    expect(bids(told)).toEqual([
      [10, 0.4],
      [15, 0.4],
      [20, 0.4],
      [20.001, null],
      [25, null],
      [30, 0.4],
    ]);
  });
});
