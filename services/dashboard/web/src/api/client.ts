// Questions to the API.
//
// Knows: addresses and what may go wrong on the way. Never: what an answer means.

/** An answer, or why there is none, in words that can be shown. */
export type Answer<T> = { ok: true; value: T } | { ok: false; status: number; why: string };

/** How long a question may take. */
const ANSWER_MAX_MS = 15_000;

export type Query = Record<string, string | number | boolean | null | undefined>;

/** An address with those parameters that have a value. */
export function address(path: string, query: Query = {}): string {
  const pairs = Object.entries(query).filter(
    ([, value]) => value !== undefined && value !== null && value !== "",
  );
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/** Asks once. An abandoned question (`signal`) answers with status 0. */
export async function ask<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<Answer<T>> {
  const limit = AbortSignal.timeout(ANSWER_MAX_MS);
  try {
    const response = await fetch(address(path, query), {
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      headers: { accept: "application/json" },
    });
    if (!response.ok) return { ok: false, status: response.status, why: await reason(response) };
    return { ok: true, value: (await response.json()) as T };
  } catch {
    return {
      ok: false,
      status: 0,
      why: limit.aborted ? "no answer within 15 s" : "the dashboard does not answer",
    };
  }
}

async function reason(response: Response): Promise<string> {
  if (response.status === 401) return "a token is needed: open the page once with ?token=…";
  try {
    const { error } = (await response.json()) as { error?: unknown };
    if (typeof error === "string") return error;
  } catch {
    // An answer without a body of ours is told by its number.
  }
  if (response.status === 404) return "not available in this version";
  return `the dashboard answered ${response.status}`;
}
