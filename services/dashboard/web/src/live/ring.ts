// The newest events, in a fixed number of places.
//
// Knows: order, identity, how many there may be. Never: which events are wanted, or how they look.

export interface Identified {
  readonly id: string;
}

/** Holds the newest `capacity` entries; what is older goes. An entry that is there already is not taken again. */
export class Ring<T extends Identified> {
  readonly #places: (T | undefined)[];
  readonly #ids = new Set<string>();
  #next = 0;
  #held = 0;

  constructor(readonly capacity: number) {
    this.#places = new Array<T | undefined>(capacity).fill(undefined);
  }

  get length(): number {
    return this.#held;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Takes an entry that is newer than all others; tells whether it was new. */
  push(entry: T): boolean {
    if (this.#ids.has(entry.id)) return false;
    const gone = this.#places[this.#next];
    if (gone !== undefined) this.#ids.delete(gone.id);
    this.#places[this.#next] = entry;
    this.#ids.add(entry.id);
    this.#next = (this.#next + 1) % this.capacity;
    this.#held = Math.min(this.#held + 1, this.capacity);
    return true;
  }

  /** The entry at a place counted from the newest (0). */
  at(place: number): T | undefined {
    if (place < 0 || place >= this.#held) return undefined;
    return this.#places[(this.#next - 1 - place + 2 * this.capacity) % this.capacity];
  }

  /** Up to `most` entries, newest first. */
  newest(most = this.#held): T[] {
    const list: T[] = [];
    for (let place = 0; place < Math.min(most, this.#held); place += 1) {
      const entry = this.at(place);
      if (entry !== undefined) list.push(entry);
    }
    return list;
  }

  clear(): void {
    this.#places.fill(undefined);
    this.#ids.clear();
    this.#next = 0;
    this.#held = 0;
  }
}
