// How numbers look.
//
// Knows: thousands, decimals, cents, units. Never: where a number comes from; money is text and never a float.

export const UNKNOWN = "–";

/** Narrow no-break space: thousands stay together and apart. */
const THIN = "\u202f";

export function known<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

/** Digits as they came, with their thousands apart. */
export function grouped(text: string): string {
  const [whole = "", decimals] = text.split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, THIN);
  return decimals === undefined ? apart : `${apart}.${decimals}`;
}

export function count(value: number | null | undefined): string {
  return known(value) ? grouped(String(Math.round(value))) : UNKNOWN;
}

/** A rate: small ones with one decimal. */
export function rate(value: number | null | undefined): string {
  if (!known(value)) return UNKNOWN;
  return value < 100 && value % 1 !== 0 ? value.toFixed(1) : count(value);
}

/** A share of one, in per cent; never rounded up to a full 100. */
export function percent(share: number | null | undefined): string {
  if (!known(share)) return UNKNOWN;
  const tenths = Math.floor(share * 1000 + 1e-9) / 10;
  return `${tenths.toFixed(1)}${THIN}%`;
}

/** Large amounts, short: 1.2 k, 34 M. For axes and money at a glance; the whole text goes into a title. */
export function short(value: number): string {
  for (const [size, unit] of [
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    // What rounds up to the next unit is told in it: never 1000 k.
    if (Math.abs(value) >= size * 0.9995) {
      const scaled = value / size;
      return `${Math.abs(scaled) < 9.95 ? scaled.toFixed(1) : Math.round(scaled)}${THIN}${unit}`;
    }
  }
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 1 : 0);
}

/** US dollars at a glance. */
export function dollars(text: string | null | undefined): string {
  return known(text) ? `$${short(Number(text))}` : UNKNOWN;
}

/** Shares at a glance: whole when many. */
export function shares(text: string | null | undefined): string {
  if (!known(text)) return UNKNOWN;
  const [whole = "", decimals = ""] = text.split(".");
  return grouped(whole.length > 4 || decimals === "" ? whole : `${whole}.${decimals.slice(0, 2)}`);
}

export type Units = "decimals" | "cents";

/** A price as decimals (0.55) or in cents (55¢), exactly as many digits as it has. */
export function price(text: string | null | undefined, units: Units): string {
  if (!known(text)) return UNKNOWN;
  if (units === "decimals") return text;
  return `${shifted(text)}¢`;
}

/** The point of a decimal text two places to the right. */
export function shifted(text: string): string {
  const sign = text.startsWith("-") ? "-" : "";
  const [whole = "", decimals = ""] = text.slice(sign.length).split(".");
  const padded = decimals.padEnd(2, "0");
  const cents = `${whole}${padded.slice(0, 2)}`.replace(/^0+(?=\d)/, "");
  const rest = padded.slice(2).replace(/0+$/, "");
  return `${sign}${cents}${rest ? `.${rest}` : ""}`;
}

/** Whether a price went up (1), down (-1) or stayed (0); null when one of the two is not known. */
export function direction(before: string | null, after: string | null): number | null {
  if (!known(before) || !known(after)) return null;
  return Math.sign(Number(after) - Number(before));
}
