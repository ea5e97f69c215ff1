// The price of one token: bid and ask, trades by verdict, gaps shaded.
//
// Knows: how a chart answer is laid on paper. Never: how it is fetched.

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import uPlot from "uplot";
import type { Chart as Told, Verdict } from "../api/types.js";
import { Chart } from "../components/chart.js";
import { colour } from "../components/media.js";
import { count, known, price, type Units } from "../format/number.js";
import { clock, hourMinute } from "../format/time.js";
import { columns, seconds, VERDICTS } from "./pricelines.js";

const COLOURS: Record<Verdict, string> = { clean: "--accent", flagged: "--warn", refused: "--bad" };

export function PriceChart({ told, units }: { told: Told; units: Units }): JSX.Element {
  const data = useMemo(() => columns(told) as uPlot.AlignedData, [told]);
  // The options are made once; what changes is looked up when it is drawn.
  const newest = useMemo(() => ({ told, units }), []);
  [newest.told, newest.units] = [told, units];
  const marked = told.trades.filter(({ verdict }) => verdict !== "clean").length;
  const label = `price from ${clock(told.from)} to ${clock(told.to)}: ${told.trades.length} trades, ${marked} of them flagged or refused, ${told.gaps.length} gaps`;
  return <Chart label={label} height={240} data={data} options={() => options(newest)} />;
}

function options(newest: { told: Told; units: Units }): Omit<uPlot.Options, "width" | "height"> {
  const [ink, rule] = [colour("--quiet"), colour("--line")];
  const axis = {
    stroke: ink,
    grid: { stroke: rule, width: 1 },
    ticks: { stroke: rule, size: 4 },
    font: "11px system-ui, sans-serif",
  };
  const step = uPlot.paths.stepped?.({ align: 1 });
  const quote = (name: string, shade: string): uPlot.Series => ({
    label: name,
    stroke: colour(shade),
    width: 1.5,
    points: { show: false },
    ...(step ? { paths: step } : {}),
  });
  const trades = (verdict: Verdict): uPlot.Series => ({
    label: verdict,
    stroke: colour(COLOURS[verdict]),
    paths: () => null,
    points: { show: false },
  });
  return {
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { range: () => [seconds(newest.told.from), seconds(newest.told.to)] } },
    axes: [
      { ...axis, values: (_, splits) => splits.map((at) => hourMinute(at * 1000)) },
      {
        ...axis,
        size: 56,
        values: (_, splits) => splits.map((value) => price(String(Number(value.toFixed(4))), newest.units)),
      },
    ],
    series: [{}, quote("bid", "--bid"), quote("ask", "--ask"), ...VERDICTS.map(trades)],
    hooks: {
      drawClear: [(plot) => shadeGaps(plot, newest.told)],
      draw: [drawTrades],
    },
  };
}

function shadeGaps(plot: uPlot, { gaps, to }: Told): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = colour("--gap-shade");
  for (const { opened_at, healed_at } of gaps) {
    const from = Math.max(bbox.left, plot.valToPos(seconds(opened_at), "x", true));
    const until = Math.min(bbox.left + bbox.width, plot.valToPos(seconds(healed_at ?? to), "x", true));
    ctx.fillRect(from, bbox.top, Math.max(2, until - from), bbox.height);
  }
  ctx.restore();
}

/** Clean trades are dots, flagged ones triangles, refused ones crosses: told apart without colour. */
function drawTrades(plot: uPlot): void {
  const { ctx } = plot;
  const size = 4 * devicePixelRatio;
  ctx.save();
  VERDICTS.forEach((verdict, place) => {
    ctx.fillStyle = colour(COLOURS[verdict]);
    ctx.strokeStyle = ctx.fillStyle;
    ctx.lineWidth = 2 * devicePixelRatio;
    const values = plot.data[3 + place] ?? [];
    values.forEach((value, index) => {
      if (!known(value)) return;
      const [x, y] = [plot.valToPos(plot.data[0][index] ?? 0, "x", true), plot.valToPos(value, "y", true)];
      ctx.beginPath();
      if (verdict === "clean") ctx.arc(x, y, size / 2, 0, 2 * Math.PI);
      else if (verdict === "flagged") triangle(ctx, x, y, size * 1.2);
      else cross(ctx, x, y, size);
      if (verdict === "refused") ctx.stroke();
      else ctx.fill();
    });
  });
  ctx.restore();
}

function triangle(ctx: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  ctx.moveTo(x, y - size);
  ctx.lineTo(x + size, y + size * 0.8);
  ctx.lineTo(x - size, y + size * 0.8);
  ctx.closePath();
}

function cross(ctx: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  ctx.moveTo(x - size, y - size);
  ctx.lineTo(x + size, y + size);
  ctx.moveTo(x + size, y - size);
  ctx.lineTo(x - size, y + size);
}

/** What the marks of the chart mean. */
export function Legend({ told }: { told: Told }): JSX.Element {
  const mark = (verdict: Verdict, sign: string): JSX.Element => {
    const seen = told.trades.filter((trade) => trade.verdict === verdict).length;
    return (
      <li class={verdict} data-figure={`chart_${verdict}`} data-value={seen}>
        {sign} {verdict} {count(seen)}
      </li>
    );
  };
  return (
    <ul class="legend">
      <li class="bid">bid</li>
      <li class="ask">ask</li>
      {mark("clean", "●")}
      {mark("flagged", "▲")}
      {mark("refused", "✕")}
      <li class="gap">gaps {count(told.gaps.length)}</li>
      {told.trades_cut === true && <li>only the newest trades</li>}
    </ul>
  );
}
