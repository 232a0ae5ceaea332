/** Small numbers for values that many states share, so that a state is a short text. */

export class Interned<T> {
  readonly #ids = new Map<string, number>();
  readonly #values: T[] = [];
  readonly #keyOf: (value: T) => string;

  /** @param keyOf equal values, equal key */
  constructor(keyOf: (value: T) => string = JSON.stringify) {
    this.#keyOf = keyOf;
  }

  idOf(value: T): number {
    const key = this.#keyOf(value);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    this.#ids.set(key, this.#values.length);
    return this.#values.push(value) - 1;
  }

  at(id: number): T {
    return this.#values[id]!;
  }
}

/** Remembers what a pure function gave for a key. */
export class Remembered<K, V> {
  readonly #known = new Map<K, V>();

  of(key: K, make: () => V): V {
    let value = this.#known.get(key);
    if (value === undefined) {
      value = make();
      this.#known.set(key, value);
    }
    return value;
  }
}
