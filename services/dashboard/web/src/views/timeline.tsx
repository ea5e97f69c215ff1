// Gaps on a line of time, one lane for each cause.
//
// Knows: gaps and a span. Never: gaps that are not told.

import type { JSX } from "preact";
import type { Gap } from "../api/types.js";
import { between, clock, hourMinute, span } from "../format/time.js";
import { cause, CAUSES } from "../format/words.js";

interface Props {
  gaps: readonly Gap[] | null;
  from: number;
  to: number;
  now: number;
  onPick: (gap: Gap) => void;
}

const LABELS = 6;

export function TimeLine({ gaps, from, to, now, onPick }: Props): JSX.Element {
  const lanes = Object.keys(CAUSES);
  const place = (moment: number): number => Math.max(0, Math.min(100, ((moment - from) / (to - from)) * 100));
  const labels = Array.from({ length: LABELS + 1 }, (_, index) => from + ((to - from) * index) / LABELS);
  const isLong = to - from > 86_400_000;
  return (
    <div class="timeline" data-rows={gaps?.length ?? ""}>
      {lanes.map((lane) => {
        const own = gaps?.filter((gap) => gap.cause === lane) ?? [];
        return (
          <div key={lane} class="lane" data-cause={lane} data-rows={own.length}>
            <p>
              {cause(lane)} <span class="aside">{gaps === null ? "" : own.length || ""}</span>
            </p>
            <div class="track">
              {own.map((gap) => {
                const left = place(Date.parse(gap.opened_at));
                const right = place(gap.healed_at === null ? now : Date.parse(gap.healed_at));
                const lasted =
                  gap.healed_at === null
                    ? "still open"
                    : `healed after ${span(between(gap.opened_at, gap.healed_at))}`;
                const text = `${clock(gap.opened_at)}: ${gap.question ?? gap.condition_id}, ${lasted}`;
                return (
                  <i
                    key={gap.id}
                    data-gap={gap.id}
                    data-state={gap.healed_at === null ? "open" : "healed"}
                    title={text}
                    style={{ left: `${left}%`, width: `max(3px, ${right - left}%)` }}
                    onClick={() => onPick(gap)}
                  />
                );
              })}
            </div>
          </div>
        );
      })}
      <div class="lane axis" aria-hidden="true">
        <p />
        <div class="track">
          {labels.map((at, index) => (
            <span key={index} style={{ left: `${(index / LABELS) * 100}%` }}>
              {isLong ? `${new Date(at).getDate()}. ` : ""}
              {hourMinute(at)}
            </span>
          ))}
        </div>
      </div>
    </div>
  );
}
