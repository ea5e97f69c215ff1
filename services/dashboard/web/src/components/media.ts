// What the screen is like.
//
// Knows: media queries. Never: what is drawn because of them.

import { signal } from "@preact/signals";

/** A narrow screen: rows take two lines. */
export const isNarrow = signal(false);
/** Counts up when the system changes between light and dark: what is drawn on a canvas is drawn anew. */
export const theme = signal(0);

export function followMedia(): void {
  const narrow = matchMedia("(max-width: 700px)");
  isNarrow.value = narrow.matches;
  narrow.addEventListener("change", () => (isNarrow.value = narrow.matches));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (theme.value += 1));
}

/** A colour of the style sheet, for a canvas. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
