// Which rows of a long list are in sight.
//
// Knows: heights and places. Never: what a row holds.

export interface Span {
  /** First row, from 0. */
  first: number;
  /** Behind the last row. */
  end: number;
}

/** Rows drawn beyond each edge. */
export const BEYOND = 4;

/** The rows to draw for a place of the scroll bar, with a few beyond each edge. */
export function inSight(
  top: number,
  height: number,
  rowHeight: number,
  total: number,
  beyond = BEYOND,
): Span {
  const first = Math.max(0, Math.floor(top / rowHeight) - beyond);
  const end = Math.min(total, Math.ceil((top + height) / rowHeight) + beyond);
  return { first: Math.min(first, end), end };
}

/** Where to scroll so that a row is wholly in sight; null when it is already. */
export function towards(row: number, top: number, height: number, rowHeight: number): number | null {
  if (row * rowHeight < top) return row * rowHeight;
  if ((row + 1) * rowHeight > top + height) return (row + 1) * rowHeight - height;
  return null;
}

/** The row that a key leads to; null when the key leads nowhere. */
export function step(key: string, row: number, total: number, page: number): number | null {
  const target: Record<string, number> = {
    ArrowDown: row + 1,
    ArrowUp: row - 1,
    PageDown: row + page,
    PageUp: row - page,
    Home: 0,
    End: total - 1,
  };
  const next = target[key];
  if (next === undefined || total === 0) return null;
  return Math.max(0, Math.min(total - 1, next));
}
