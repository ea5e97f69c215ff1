// Whether the numbers of the coverage grid can be read: the colours that the style sheets give them, in every state.
//
// Knows: the cascade, as far as these sheets use it. Never: a browser.

import { describe, expect, it } from "vitest";

const SHEETS = import.meta.glob<string>("../src/style/*.css", {
  eager: true,
  query: "?raw",
  import: "default",
});
const css = Object.values(SHEETS)
  .join("\n")
  .replace(/\/\*[^]*?\*\//g, "");

interface Element {
  tag: string;
  classes: string[];
  attributes: Record<string, string>;
}

const element = (tag: string, classes: string[], attributes: Record<string, string> = {}): Element => ({
  tag,
  classes,
  attributes,
});

/** A cell of a shade in a panel of a state, with everything around it. */
const cell = (shade: number, state: string, link: string): Element[] => [
  element("body", [], { "data-link": link }),
  element("main", []),
  element("section", ["panel"], { "data-state": state, "data-panel": "coverage" }),
  element("div", ["scroll", "coverage-scroll"]),
  element("table", ["coverage"]),
  element("tr", []),
  element("td", [], { "data-shade": String(shade) }),
];

/** Whether one step of a selector means an element; none where it is of a kind that no cell has. */
function means(step: string, { tag, classes, attributes }: Element): boolean {
  if (step.includes(":")) return false;
  const parts = step.match(/\[[^\]]+\]|\.[\w-]+|#[\w-]+|[\w-]+|\*/g) ?? [];
  return parts.every((part) => {
    if (part.startsWith(".")) return classes.includes(part.slice(1));
    if (part.startsWith("#")) return false;
    const [, name = "", value] = /^\[([\w-]+)(?:="?([^"\]]*)"?)?\]$/.exec(part) ?? [];
    if (name !== "") return name in attributes && (value === undefined || attributes[name] === value);
    return part === "*" || part === tag;
  });
}

/** Whether a selector of descendants means the last of a chain of elements. */
function selects(selector: string, chain: readonly Element[]): boolean {
  const steps = selector.trim().split(/\s+/);
  const last = chain.at(-1);
  if (steps.includes(">") || last === undefined || !means(steps.at(-1) ?? "", last)) return false;
  let place = chain.length - 2;
  for (const step of steps.slice(0, -1).reverse()) {
    while (place >= 0 && !means(step, chain[place] as Element)) place -= 1;
    if (place < 0) return false;
    place -= 1;
  }
  return true;
}

const weight = (selector: string): number =>
  100 * (selector.match(/[.[]/g)?.length ?? 0) + (selector.match(/(^|\s)[a-z]/g)?.length ?? 0);

/** What the sheets say of a property of the last of a chain: the heaviest rule, the later of two alike. */
function told(property: string, chain: readonly Element[]): string | undefined {
  let [best, value]: [number, string | undefined] = [-1, undefined];
  for (const [, selectors = "", body = ""] of css.matchAll(/([^{}@;]+)\{([^{}]*)\}/g)) {
    const declared = new RegExp(`(?:^|[;\\s])${property}:\\s*([^;]+)`).exec(body)?.[1];
    if (declared === undefined) continue;
    for (const selector of selectors.split(",")) {
      if (!selects(selector, chain) || weight(selector) < best) continue;
      [best, value] = [weight(selector), declared.trim()];
    }
  }
  return value;
}

/** The variables of a theme. */
function theme(name: "light" | "dark"): Map<string, string> {
  const [, dark = ""] = /prefers-color-scheme: dark\)\s*\{\s*:root\s*\{([^}]*)\}/.exec(css) ?? [];
  const [, light = ""] = /:root\s*\{([^}]*)\}/.exec(css) ?? [];
  const text = name === "light" ? light : `${light};${dark}`;
  return new Map([...text.matchAll(/(--[\w-]+):\s*(#\w+)/g)].map(([, key = "", value = ""]) => [key, value]));
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** The contrast of two colours, as WCAG counts it. */
function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

describe("a cell of the coverage grid", () => {
  it.each(["light", "dark"] as const)("can be read in every shade and state (%s)", (name) => {
    const colours = theme(name);
    const colour = (text: string | undefined): string =>
      colours.get(/var\((--[\w-]+)\)/.exec(text ?? "")?.[1] ?? "") ?? `no colour: ${text}`;
    for (const [state, link] of [
      ["live", "live"],
      ["unknown", "live"],
      ["old", "lost"],
    ] as const) {
      for (const shade of [1, 2, 3, 4]) {
        const chain = cell(shade, state, link);
        const [text, ground] = [colour(told("color", chain)), colour(told("background", chain))];
        expect(
          [text, ground].every((one) => /^#\w{6}$/.test(one)),
          `${text} on ${ground}`,
        ).toBe(true);
        expect(
          contrast(text, ground),
          `${text} on ${ground}, ${state}, shade ${shade}`,
        ).toBeGreaterThanOrEqual(4.5);
      }
    }
  });

  it("is judged by the same measure as everybody's", () => {
    expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
    expect(contrast("#55616f", "#f0a95e")).toBeCloseTo(3.17, 2);
  });
});
