/** A number for each group; it grows, and what was never set is 0. */
export class Numbers {
  values = new Float64Array(16);

  /** Makes room for numbers 0 … index. */
  reserve(index: number): void {
    if (index < this.values.length) return;
    const larger = new Float64Array(Math.max(index + 1, this.values.length * 2));
    larger.set(this.values);
    this.values = larger;
  }

  at(index: number): number {
    return this.values[index] ?? 0;
  }
}
