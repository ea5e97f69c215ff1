// How values look: numbers, times, the five-minute line. What is not known is a dash, never a nought.

export const UNKNOWN = "–";

const SVG = "http://www.w3.org/2000/svg";

/** Whether a value is known at all. */
export const known = (value) => value !== null && value !== undefined;

/** A count with its thousands apart. */
export function count(value) {
  return known(value) ? grouped(String(value)) : UNKNOWN;
}

/** Digits as they came, with thousands apart; money is text and never becomes a float. */
export function grouped(text) {
  const [whole, decimals] = text.split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return decimals === undefined ? apart : `${apart}.${decimals}`;
}

/** A share of one, in per cent; never rounded up to a full 100. */
export function percent(share) {
  if (!known(share)) return UNKNOWN;
  const tenths = Math.floor(share * 1000 + 1e-9) / 10;
  return `${tenths.toFixed(1)} %`;
}

/** A span in the largest units that fit. */
export function span(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const sign = seconds < 0 ? "−" : "";
  const all = Math.abs(seconds);
  if (all < 10) return `${sign}${all.toFixed(1)} s`;
  const whole = Math.floor(all);
  const [days, hours] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24];
  const minutes = Math.floor(whole / 60) % 60;
  if (days > 0) return `${sign}${days} d ${hours} h`;
  if (hours > 0) return `${sign}${hours} h ${minutes} min`;
  if (minutes > 0) return `${sign}${minutes} min ${whole % 60} s`;
  return `${sign}${whole} s`;
}

/** A latency, from microseconds. */
export function latency(micros) {
  if (!known(micros)) return UNKNOWN;
  if (Math.abs(micros) < 1000) return `${micros} µs`;
  if (Math.abs(micros) < 1e6) return `${(micros / 1000).toFixed(1)} ms`;
  return `${(micros / 1e6).toFixed(2)} s`;
}

/** An age in seconds, short ones in finer units. */
export function age(seconds) {
  return known(seconds) && Math.abs(seconds) < 10 ? latency(Math.round(seconds * 1e6)) : span(seconds);
}

/** Seconds between two moments the server told. */
export function between(from, to) {
  return known(from) && known(to) ? (Date.parse(to) - Date.parse(from)) / 1000 : null;
}

/** The time of day of a moment, in the reader's zone, to the millisecond. */
export function clock(moment) {
  const at = new Date(moment);
  const two = (number) => String(number).padStart(2, "0");
  const millis = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${millis}`;
}

/** Writes a text into an element; unknown values look unknown. */
export function write(id, text, title) {
  const element = document.getElementById(id);
  if (element.textContent !== text) element.textContent = text;
  element.classList.toggle("unknown", text === UNKNOWN || text === "unknown");
  if (text === UNKNOWN) element.title = "unknown";
  else if (title) element.title = title;
  else element.removeAttribute("title");
}

/** An element with a class and a text. */
export function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (known(text)) made.textContent = text;
  return made;
}

/** Draws one value per second, oldest first; none of them when they are not known. */
export function sparkline(svg, values) {
  const [width, height, top] = [300, 64, 12];
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const parts = [];
  const add = (name, attributes, text) => {
    const part = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
    if (text) part.textContent = text;
    parts.push(part);
  };
  if (known(values) && values.length > 1) {
    const most = Math.max(1, ...values);
    const x = (place) => ((place / (values.length - 1)) * width).toFixed(1);
    const y = (value) => (height - 1 - (value / most) * (height - 1 - top)).toFixed(1);
    const points = values.map((value, place) => `${x(place)},${y(value)}`).join(" L");
    add("path", { class: "area", d: `M0,${height} L${points} L${width},${height} Z` });
    add("path", { class: "line", d: `M${points}` });
    svg.setAttribute("aria-label", `events per second over the last five minutes, at most ${Math.max(...values)}`);
  } else {
    svg.setAttribute("aria-label", "events per second over the last five minutes: unknown");
  }
  svg.replaceChildren(...parts);
}
