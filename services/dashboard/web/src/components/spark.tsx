// A line of the last five minutes, as wide as a word.
//
// Knows: how a series becomes a path; a second without a value is a hole. Never: what is measured.

import type { JSX } from "preact";
import { known } from "../format/number.js";
import { line, SECONDS } from "../state/history.js";

const WIDTH = 100;
const HEIGHT = 24;
/** Seconds that share a point: more points than pixels help nobody. */
const STEP = 3;

export interface Drawn {
  stroke: string;
  area: string;
}

/** The path of a series, oldest first. Peaks are kept when seconds are joined. */
export function draw(values: readonly (number | null)[]): Drawn {
  const joined = join(values);
  const all = joined.filter(known);
  if (all.length === 0) return { stroke: "", area: "" };
  const most = Math.max(...all);
  const least = Math.min(...all);
  // From nought where the values come near it, so that a small tremor does not look like a storm.
  const floor =
    least >= 0 && least < most * 0.7 ? 0 : least === most ? least - Math.max(1, Math.abs(least)) : least;
  const ceiling = least === most && least === 0 ? 1 : most + (most - floor) * 0.05;
  const y = (value: number): string =>
    (HEIGHT - 1.5 - ((value - floor) / (ceiling - floor)) * (HEIGHT - 3)).toFixed(1);
  const x = (place: number): string => ((place / (joined.length - 1)) * WIDTH).toFixed(1);
  let stroke = "";
  let area = "";
  let start = -1;
  for (let place = 0; place <= joined.length; place += 1) {
    const value = joined[place];
    if (known(value)) {
      if (start < 0) {
        start = place;
        area += `M${x(place)},${HEIGHT}L`;
      } else area += "L";
      stroke += `${start === place ? "M" : "L"}${x(place)},${y(value)}`;
      area += `${x(place)},${y(value)}`;
    } else if (start >= 0) {
      if (start === place - 1) stroke += "h0.6";
      area += `L${x(place - 1)},${HEIGHT}Z`;
      start = -1;
    }
  }
  return { stroke, area };
}

function join(values: readonly (number | null)[]): (number | null)[] {
  const held = values.slice(-SECONDS);
  const padded = [...new Array<null>(SECONDS - held.length).fill(null), ...held];
  const joined: (number | null)[] = [];
  for (let place = 0; place < padded.length; place += STEP) {
    const part = padded.slice(place, place + STEP).filter(known);
    joined.push(part.length === 0 ? null : Math.max(...part));
  }
  return joined;
}

export function Spark({ series, tall }: { series: string; tall: boolean }): JSX.Element {
  const values = line(series);
  const { stroke, area } = values ? draw(values) : { stroke: "", area: "" };
  return (
    <dd class="spark" aria-hidden="true">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" data-series={series}>
        {tall && <path class="area" d={area} />}
        <path class="line" d={stroke} />
      </svg>
    </dd>
  );
}
