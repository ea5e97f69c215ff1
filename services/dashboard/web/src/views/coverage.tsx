// How complete each market is, hour by hour.
//
// Knows: shares and their shades. Never: a share for an hour in which the market was not known.

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { Coverage } from "../api/types.js";
import { Panel } from "../components/panel.js";
import { count, known, percent } from "../format/number.js";
import { hourMinute } from "../format/time.js";
import { param, set } from "../state/route.js";

interface Props {
  told: Coverage | null;
  why: string | null;
  page: number;
  onPick: (market: string, hour: string) => void;
}

const PAGE = 50;

/** The shade of a share: 0 is whole, 4 is mostly missing. */
export function shade(share: number | null): string {
  if (!known(share)) return "none";
  if (share >= 1) return "0";
  if (share >= 0.99) return "1";
  if (share >= 0.9) return "2";
  return share >= 0.5 ? "3" : "4";
}

export function CoverageGrid({ told, why, page, onPick }: Props): JSX.Element {
  const ofTrades = param("of") === "trades";
  return (
    <Panel
      name="coverage"
      title="Coverage, market by hour"
      needs={["writer"]}
      note={
        why ??
        (told
          ? `worst first; ${count(page * PAGE + 1)} to ${count(Math.min(told.total, page * PAGE + PAGE))} of ${count(told.total)} markets`
          : "")
      }
      tools={
        <div class="tools">
          <div class="segments" role="group" aria-label="complete in">
            <button type="button" aria-pressed={!ofTrades} onClick={() => set({ of: "" })}>
              all ticks
            </button>
            <button
              type="button"
              aria-pressed={ofTrades}
              onClick={() => set({ of: "trades" })}
              title="with the trades that were fetched after a gap healed"
            >
              trades
            </button>
          </div>
          <button
            type="button"
            disabled={page === 0}
            onClick={() => set({ page: page > 1 ? String(page - 1) : "" })}
          >
            ‹ back
          </button>
          <button
            type="button"
            disabled={!told || (page + 1) * PAGE >= told.total}
            onClick={() => set({ page: String(page + 1) })}
          >
            next ›
          </button>
        </div>
      }
    >
      {told && told.markets.length > 0 ? (
        <Cells told={told} ofTrades={ofTrades} onPick={onPick} />
      ) : (
        <p class="empty">{told ? "no market" : why ? `unknown: ${why}` : ""}</p>
      )}
    </Panel>
  );
}

function Cells({
  told,
  ofTrades,
  onPick,
}: {
  told: Coverage;
  ofTrades: boolean;
  onPick: Props["onPick"];
}): JSX.Element {
  const [[row, column], setActive] = useState<[number, number]>([0, 0]);
  const table = useRef<HTMLTableElement>(null);
  const to = (nextRow: number, nextColumn: number): void => {
    const next: [number, number] = [
      Math.max(0, Math.min(told.markets.length - 1, nextRow)),
      Math.max(0, Math.min(told.hours.length - 1, nextColumn)),
    ];
    setActive(next);
    table.current?.querySelector<HTMLElement>(`[data-cell="${next[0]} ${next[1]}"]`)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const steps: Record<string, [number, number]> = {
      ArrowDown: [row + 1, column],
      ArrowUp: [row - 1, column],
      ArrowRight: [row, column + 1],
      ArrowLeft: [row, column - 1],
      Home: [row, 0],
      End: [row, told.hours.length - 1],
    };
    const next = steps[event.key];
    if (next === undefined) return;
    event.preventDefault();
    to(...next);
  };
  return (
    <div class="scroll coverage-scroll">
      <table
        class="coverage"
        ref={table}
        onKeyDown={onKeyDown}
        role="grid"
        aria-label="coverage, market by hour"
      >
        <thead>
          <tr>
            <th scope="col">market</th>
            {told.hours.map((hour) => (
              <th scope="col" key={hour} title={hour}>
                {hourMinute(hour).slice(0, 2)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {told.markets.map((market, place) => {
            const cells = (ofTrades ? market.cells_trades : null) ?? market.cells;
            return (
              <tr key={market.condition_id} data-market={market.condition_id}>
                <th scope="row" title={market.question ?? market.condition_id}>
                  {market.question ?? market.condition_id}
                </th>
                {told.hours.map((hour, index) => {
                  const share = cells[index] ?? null;
                  return (
                    <td
                      key={hour}
                      data-cell={`${place} ${index}`}
                      data-shade={shade(share)}
                      data-value={known(share) ? share : ""}
                      tabIndex={place === row && index === column ? 0 : -1}
                      aria-label={`${hourMinute(hour)}: ${known(share) ? `${percent(share)} complete` : "not followed"}`}
                      title={`${hourMinute(hour)}: ${known(share) ? `${percent(share)} complete` : "not followed"}`}
                      onFocus={() => setActive([place, index])}
                      onClick={() => onPick(market.condition_id, hour)}
                      onKeyDown={(event) => event.key === "Enter" && onPick(market.condition_id, hour)}
                    >
                      {known(share) && share < 1 ? Math.floor(share * 100) : ""}
                    </td>
                  );
                })}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
