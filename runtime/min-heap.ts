/** A binary heap: the least element by `isBefore`, which must be a strict total order if equal runs are to be equal. */
export class MinHeap<T> {
  readonly #isBefore: (a: T, b: T) => boolean;
  #items: T[] = [];

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = items[parentAt] as T;
      if (!this.#isBefore(item, parent)) break;
      items[at] = parent;
      at = parentAt;
    }
    items[at] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const least = items[0];
    const last = items.pop();
    if (items.length > 0) this.#sink(last as T);
    return least;
  }

  /** Drops every element that `isWanted` does not want. */
  keep(isWanted: (item: T) => boolean): void {
    const items = this.#items;
    this.#items = [];
    for (const item of items) if (isWanted(item)) this.push(item);
  }

  /** Puts `item` where the root was and lets it sink to its place. */
  #sink(item: T): void {
    const items = this.#items;
    const count = items.length;
    let at = 0;
    for (;;) {
      let childAt = 2 * at + 1;
      if (childAt >= count) break;
      let child = items[childAt] as T;
      const right = childAt + 1 < count ? (items[childAt + 1] as T) : undefined;
      if (right !== undefined && this.#isBefore(right, child)) {
        child = right;
        childAt += 1;
      }
      if (!this.#isBefore(child, item)) break;
      items[at] = child;
      at = childAt;
    }
    items[at] = item;
  }
}
