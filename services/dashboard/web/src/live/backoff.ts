// Pauses between attempts.
//
// Knows: doubling, a ceiling, full spread. Never: what is attempted, or chance itself; it is given.

/** The pause before attempt number `attempt` (from 0), in milliseconds; `chance` is from 0 to 1. */
export function pause(attempt: number, chance: number, leastMs = 400, mostMs = 10_000): number {
  const ceiling = Math.min(mostMs, leastMs * 2 ** Math.min(attempt, 20));
  return Math.round(ceiling * (0.5 + chance / 2));
}
