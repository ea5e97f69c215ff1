// One token in a drawer: where it stands, its price, its book, its gaps.
//
// Knows: which questions it takes. Never: how a chart is drawn.

import type { JSX } from "preact";
import { address } from "../api/client.js";
import type { Chart, Ladder, Market as StoredMarket, MarketPage, Money, TokenDetail } from "../api/types.js";
import { Dialog } from "../components/dialog.js";
import { Time } from "../components/moment.js";
import { usePoll } from "../components/poll.js";
import { dollars, grouped, known, price, rate, shares, UNKNOWN, type Units } from "../format/number.js";
import { age, between, span } from "../format/time.js";
import { BOOK_STATES, cause } from "../format/words.js";
import { serverNow } from "../state/live.js";
import { param, set, units } from "../state/route.js";
import { Legend, PriceChart } from "./pricechart.js";

const SPANS: readonly [string, string][] = [
  ["15", "15 min"],
  ["60", "1 h"],
  ["360", "6 h"],
  ["1440", "24 h"],
];
const LEVELS = 12;

export function Market(): JSX.Element {
  const id = param("token");
  const minutes = param("minutes") || "60";
  const { value: token, why, status } = usePoll<TokenDetail>(`/api/tokens/${id}`, {}, 2000);
  // A link outlives its market: then what is stored of it is shown, which does not change any more.
  const isGone = status === 404;
  const stored = usePoll<MarketPage>(isGone ? "/api/markets" : null, { token_id: id, limit: 1 }, 0);
  const past = stored.value?.markets[0];
  const book = usePoll<Ladder>(`/api/tokens/${id}/book`, { levels: LEVELS }, isGone ? 0 : 2000);
  const chart = usePoll<Chart>(`/api/tokens/${id}/chart`, { minutes }, isGone ? 0 : 5000);
  const unit = units.value;
  const title = token
    ? (token.question ?? token.condition_id)
    : (past?.question ?? (why === null ? "…" : "Market"));
  return (
    <Dialog id="market" title={title} onClose={() => set({ token: "" }, "push")}>
      {isGone ? (
        <Gone id={id} market={past} isKnown={stored.value !== null} why={stored.why} />
      ) : (
        why !== null && <p class="empty">unknown: {why}</p>
      )}
      <Facts token={token} id={id} units={unit} />
      <section aria-label="price" class="drawer-part">
        <header class="panel-head">
          <h3>Price</h3>
          <div class="segments" role="group" aria-label="span">
            {SPANS.map(([value, word]) => (
              <button
                type="button"
                key={value}
                aria-pressed={minutes === value}
                onClick={() => set({ minutes: value === "60" ? "" : value })}
              >
                {word}
              </button>
            ))}
          </div>
        </header>
        <div class="chart-place">
          {chart.value ? (
            <PriceChart told={chart.value} units={unit} />
          ) : (
            <p class="empty">{chart.why ? `unknown: ${chart.why}` : ""}</p>
          )}
        </div>
        {chart.value && <Legend told={chart.value} />}
      </section>
      <section aria-label="depth" class="drawer-part">
        <header class="panel-head">
          <h3>Depth</h3>
          <p class="note">{book.value ? hashWord(book.value) : (book.why ?? "")}</p>
        </header>
        {book.value && <Depth book={book.value} units={unit} />}
      </section>
      <section aria-label="gaps" class="drawer-part">
        <header class="panel-head">
          <h3>Gaps</h3>
          <p class="note">
            {chart.value ? `${chart.value.gaps.length} in the chart, ${token?.gaps.length ?? 0} open` : ""}
          </p>
        </header>
        <ul class="lines">
          {chart.value?.gaps.map((gap) => (
            <li key={gap.opened_at}>
              <Time at={gap.opened_at} /> {cause(gap.cause)}:{" "}
              {gap.healed_at === null ? (
                <b class="warn">open for {span(between(gap.opened_at, serverNow.value))}</b>
              ) : (
                `healed after ${span(between(gap.opened_at, gap.healed_at))}`
              )}
            </li>
          ))}
          {chart.value?.gaps.length === 0 && <li class="empty">none in this span</li>}
        </ul>
      </section>
    </Dialog>
  );
}

/** Of a token that is not followed: what there is of it, and where. */
function Gone({
  id,
  market,
  isKnown,
  why,
}: {
  id: string;
  market: StoredMarket | undefined;
  /** Whether the database has answered. */
  isKnown: boolean;
  why: string | null;
}): JSX.Element {
  if (market === undefined) {
    return (
      <p class="empty">
        {why !== null
          ? `This token is not followed now; what is stored of it is unknown: ${why}.`
          : isKnown
            ? "No market with this token is known here: look for it by its question in Markets."
            : "…"}
      </p>
    );
  }
  return (
    <p class="empty" data-gone={id}>
      This token is not followed now{market.closed ? ": its market is closed" : ""}. Below is what is stored
      of it; all of that: <a href={address("/api/trades", { token_id: id })}>its trades</a>,{" "}
      <a href={address("/api/markets", { token_id: id })}>its market</a>.
    </p>
  );
}

function hashWord(book: Ladder): string {
  const word =
    book.hash_ok === null
      ? "not held against the venue's hash"
      : book.hash_ok
        ? "agrees with the venue's hash"
        : "DIFFERS from the venue's hash";
  const from = between(book.source_received_at, book.at);
  return known(from) ? `${word}; full book ${age(from)} ago, changes since` : word;
}

function Facts({
  token,
  id,
  units: unit,
}: {
  token: TokenDetail | null;
  id: string;
  units: Units;
}): JSX.Element {
  const facts: [string, string, JSX.Element | string][] = [
    ["outcome", "outcome", token?.outcome ?? UNKNOWN],
    [
      "state",
      "book",
      token ? <span class={`state-word ${token.state}`}>{BOOK_STATES[token.state]}</span> : UNKNOWN,
    ],
    ["bid", "bid", price(token?.bid, unit)],
    ["ask", "ask", price(token?.ask, unit)],
    ["last", "last", price(token?.last, unit)],
    ["volume_24h", "24 h volume", dollars(token?.volume_24h)],
    ["ticks_per_s", "ticks/s", rate(token?.ticks_per_s)],
    ["age_s", "last tick", known(token?.age_s) ? `${age(token.age_s)} ago` : UNKNOWN],
    ["tick_size", "price step", token?.tick_size ?? UNKNOWN],
    ["end_at", "ends", token?.end_at ? new Date(token.end_at).toLocaleDateString() : UNKNOWN],
  ];
  if (token?.winning_outcome) facts.push(["winning_outcome", "won by", token.winning_outcome]);
  else if (token?.resolved_at)
    facts.push(["resolved_at", "resolved", new Date(token.resolved_at).toLocaleDateString()]);
  const raw = (name: string): string => {
    const value = token?.[name as keyof TokenDetail];
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
  };
  return (
    <>
      <dl class="facts-grid" data-token={id}>
        {facts.map(([name, label, value]) => (
          <div key={name} data-figure={`token_${name}`} data-value={raw(name)}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p class="ids" title="token id">
        {id}
      </p>
    </>
  );
}

/** The ladder: asks above, bids below, the best of both in the middle, sizes as bars. */
function Depth({ book, units: unit }: { book: Ladder; units: Units }): JSX.Element {
  const most = Math.max(1e-9, ...[...book.bids, ...book.asks].map(([, size]) => Number(size)));
  const level =
    (side: string) =>
    ([at, size]: [Money, Money]) => (
      <tr key={at} class={side} data-level={`${at} ${size}`}>
        <td class="number">{price(at, unit)}</td>
        <td class="number" title={grouped(size)}>
          {shares(size)}
        </td>
        <td class="bar" aria-hidden="true">
          <i style={{ width: `${Math.max(1, (Number(size) / most) * 100)}%` }} />
        </td>
      </tr>
    );
  const [bid, ask] = [book.bids[0]?.[0], book.asks[0]?.[0]];
  const spread = known(bid) && known(ask) ? (Number(ask) - Number(bid)).toFixed(4).replace(/0+$/, "") : null;
  return (
    <div class="depth">
      <table data-side="bids">
        <thead>
          <tr>
            <th scope="col">bid</th>
            <th scope="col">shares</th>
            <th scope="col" aria-hidden="true" />
          </tr>
        </thead>
        <tbody>{book.bids.slice(0, LEVELS).map(level("bid"))}</tbody>
      </table>
      <table data-side="asks">
        <thead>
          <tr>
            <th scope="col">ask</th>
            <th scope="col">shares</th>
            <th scope="col" aria-hidden="true" />
          </tr>
        </thead>
        <tbody>{book.asks.slice(0, LEVELS).map(level("ask"))}</tbody>
      </table>
      <p class="note">{spread === null ? "one side is empty" : `spread ${price(spread, unit)}`}</p>
    </div>
  );
}
