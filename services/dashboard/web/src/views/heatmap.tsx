// How often each latency was seen, over time: time to the right, latency upwards, frequency as shade.
//
// Knows: steps, bounds, counts. Never: what is measured.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Latency, LatencyRow } from "../api/types.js";
import { colour, theme } from "../components/media.js";
import { count, known } from "../format/number.js";
import { hourMinute, latency } from "../format/time.js";

const HEIGHT = 210;
const LEFT = 54;
const BOTTOM = 20;
/** Shades of a cell, from seldom to most often. */
const SHADES = 6;
const LEVELS = Array.from({ length: SHADES }, (_, index) => index + 1);

interface Props {
  title: string;
  told: Latency | null;
  row: LatencyRow | null;
}

interface Layout {
  steps: number;
  /** First and behind the last bucket that anything was seen in, with one beside each. */
  low: number;
  high: number;
  most: number;
}

interface Cell {
  step: number;
  bucket: number;
}

/** The cell that a key leads to; none for other keys. Without a cell it begins with the newest, lowest one. */
export function walk(key: string, from: Cell | null, { steps, low, high }: Layout): Cell | null {
  const ways: Record<string, [number, number]> = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, 1],
    ArrowDown: [0, -1],
    Home: [-Infinity, 0],
    End: [Infinity, 0],
  };
  const way = ways[key];
  if (way === undefined) return null;
  if (from === null) return { step: steps - 1, bucket: low };
  return {
    step: Math.max(0, Math.min(steps - 1, from.step + way[0])),
    bucket: Math.max(low, Math.min(high - 1, from.bucket + way[1])),
  };
}

/** The part of the buckets that is drawn. */
export function layout(counts: readonly (readonly number[] | null)[], buckets: number): Layout | null {
  let [low, high, most] = [buckets, 0, 0];
  for (const step of counts) {
    step?.forEach((seen, bucket) => {
      if (seen === 0) return;
      low = Math.min(low, bucket);
      high = Math.max(high, bucket + 1);
      most = Math.max(most, seen);
    });
  }
  if (most === 0) return null;
  return { steps: counts.length, low: Math.max(0, low - 1), high: Math.min(buckets, high + 1), most };
}

export function HeatMap({ title, told, row }: Props): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [pointed, setPointed] = useState<Cell | null>(null);
  const shade = theme.value;
  const bounds = told?.bounds_ms ?? [];
  const laid = row ? layout(row.counts, bounds.length + 1) : null;
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const watcher = new ResizeObserver(() => setWidth(element.clientWidth));
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  useEffect(() => {
    if (canvas.current && told && width > 0) paint(canvas.current, width, told, row, laid, pointed);
  }, [told, row, width, shade, pointed]);
  const onMove = (event: MouseEvent): void => {
    if (!told || !row || !laid) return;
    const next = cell(event.offsetX, event.offsetY, width, laid);
    // Within one cell there is nothing to draw anew.
    setPointed((was) => (was?.step === next?.step && was?.bucket === next?.bucket ? was : next));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const next =
      laid && !event.ctrlKey && !event.metaKey && !event.altKey ? walk(event.key, pointed, laid) : null;
    if (next === null) return;
    event.preventDefault();
    setPointed(next);
  };
  const words = told && row && laid && pointed ? describe(told, row, pointed.step, pointed.bucket) : "";
  return (
    <div class="heatmap">
      <canvas
        ref={canvas}
        role="img"
        aria-label={`${title}, heat map over time: ${row && laid ? summary(told, row, laid) : "nothing measured"}`}
        tabIndex={0}
        onMouseMove={onMove}
        onMouseLeave={() => setPointed(null)}
        onKeyDown={onKeyDown}
        onBlur={() => setPointed(null)}
      />
      <div class="scale">
        <p aria-hidden="true">
          seldom
          {LEVELS.map((level) => (
            <i key={level} class={`heat-${level}`} />
          ))}
          often
          {LEVELS.map((level) => (
            <i key={level} class={`cold-${level}`} />
          ))}
          below 0: the venue's clock is ahead
        </p>
        <p class="pointed" role="status">
          {words || (laid === null && told !== null ? "nothing measured in this span" : "")}
        </p>
      </div>
    </div>
  );
}

const isEmpty = (step: readonly number[] | null): step is null =>
  step === null || step.every((seen) => seen === 0);

function cell(x: number, y: number, width: number, { steps, low, high }: Layout): Cell | null {
  const step = Math.floor(((x - LEFT) / (width - LEFT)) * steps);
  const bucket = high - 1 - Math.floor((y / (HEIGHT - BOTTOM)) * (high - low));
  return step < 0 || step >= steps || bucket < low || bucket >= high ? null : { step, bucket };
}

/** A bound as its axis shows it: whole numbers stay whole. */
function bound(ms: number | undefined): string {
  if (!known(ms)) return "";
  if (ms === 0) return "0";
  if (Math.abs(ms) >= 60_000) return `${ms / 60_000} min`;
  return latency(ms * 1000).replace(/\.0+ /, " ");
}

function describe(told: Latency, row: LatencyRow, step: number, bucket: number): string {
  const at = Date.parse(told.from) + step * told.step_s * 1000;
  const [from, to] = [told.bounds_ms[bucket - 1], told.bounds_ms[bucket]];
  const range = !known(from)
    ? `below ${bound(to)}`
    : !known(to)
      ? `${bound(from)} and more`
      : `${bound(from)} to ${bound(to)}`;
  const seen = row.counts[step]?.[bucket];
  return `${hourMinute(at)} · ${range} · ${isEmpty(row.counts[step] ?? null) ? "nothing measured" : `${count(seen)} times`}`;
}

function summary(told: Latency | null, row: LatencyRow, { low, high }: Layout): string {
  const samples = row.counts.reduce(
    (sum, step) => sum + (step?.reduce((all, seen) => all + seen, 0) ?? 0),
    0,
  );
  const [from, to] = [
    told?.bounds_ms[low],
    told?.bounds_ms[Math.min(high, (told?.bounds_ms.length ?? 1) - 1)],
  ];
  return `${count(samples)} samples between ${bound(from)} and ${bound(to)}`;
}

function paint(
  canvas: HTMLCanvasElement,
  width: number,
  told: Latency,
  row: LatencyRow | null,
  laid: Layout | null,
  pointed: Cell | null,
): void {
  const ratio = devicePixelRatio;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(HEIGHT * ratio);
  const ctx = canvas.getContext("2d");
  if (ctx === null) return;
  ctx.scale(ratio, ratio);
  ctx.clearRect(0, 0, width, HEIGHT);
  ctx.font = "11px system-ui, sans-serif";
  ctx.fillStyle = colour("--ground");
  ctx.fillRect(LEFT, 0, width - LEFT, HEIGHT - BOTTOM);
  if (row === null || laid === null) return;
  const { steps, low, high, most } = laid;
  const [w, h] = [(width - LEFT) / steps, (HEIGHT - BOTTOM) / (high - low)];
  const y = (bucket: number): number => (high - 1 - bucket) * h;
  row.counts.forEach((step, place) => {
    const x = LEFT + place * w;
    // Nothing measured is not nothing wrong: such a step is shaded, not left blank.
    if (isEmpty(step)) {
      ctx.fillStyle = colour("--unknown-shade");
      ctx.fillRect(x, 0, Math.ceil(w), HEIGHT - BOTTOM);
      return;
    }
    for (let bucket = low; bucket < high; bucket += 1) {
      const seen = step[bucket] ?? 0;
      if (seen === 0) continue;
      const level = Math.min(SHADES, 1 + Math.floor((Math.log1p(seen) / Math.log1p(most)) * SHADES));
      const isNegative = (told.bounds_ms[bucket] ?? Infinity) <= 0;
      ctx.fillStyle = colour(isNegative ? `--cold-${level}` : `--heat-${level}`);
      ctx.fillRect(x, y(bucket) + 0.5, Math.max(1, w - 0.5), Math.max(1, h - 1));
    }
  });
  if (pointed !== null && pointed.step < steps && pointed.bucket >= low && pointed.bucket < high) {
    ctx.strokeStyle = colour("--ink");
    ctx.lineWidth = 2;
    ctx.strokeRect(LEFT + pointed.step * w, y(pointed.bucket), Math.max(3, w), Math.max(3, h));
  }
  axes(ctx, width, told, laid, y);
}

function axes(
  ctx: CanvasRenderingContext2D,
  width: number,
  told: Latency,
  { steps, low, high }: Layout,
  y: (bucket: number) => number,
): void {
  ctx.fillStyle = colour("--quiet");
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  const zero = told.bounds_ms.indexOf(0);
  // From nought upwards and downwards, so that nought has a label; where there is none, from below.
  const start = zero >= low && zero < high ? zero : low;
  for (const way of [1, -1]) {
    let last = way === 1 ? Infinity : y(start);
    for (let bucket = way === 1 ? start : start - 1; bucket >= low && bucket < high; bucket += way) {
      const at = y(bucket);
      if (!known(told.bounds_ms[bucket]) || Math.abs(last - at) < 15 || at < 5) continue;
      ctx.fillText(bound(told.bounds_ms[bucket]), LEFT - 6, at);
      last = at;
    }
  }
  if (zero >= low && zero < high) {
    ctx.fillStyle = colour("--ink");
    ctx.fillRect(LEFT, y(zero) - 0.5, width - LEFT, 1);
  }
  ctx.fillStyle = colour("--quiet");
  ctx.textBaseline = "alphabetic";
  const labels = Math.max(2, Math.floor((width - LEFT) / 90));
  for (let label = 0; label <= labels; label += 1) {
    const step = Math.round((label / labels) * steps);
    const x = LEFT + (step / steps) * (width - LEFT);
    ctx.textAlign = label === 0 ? "left" : label === labels ? "right" : "center";
    ctx.fillText(hourMinute(Date.parse(told.from) + step * told.step_s * 1000), x, HEIGHT - 5);
  }
}
