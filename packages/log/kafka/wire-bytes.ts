/** Numbers, texts and lists as Kafka's flexible requests and answers hold them: big-endian, with compact lengths. */

/** Larger fields are sent from where they are. */
const COPIED_BYTES_MAX = 1_024;

/** Writes a flexible request. Its first byte ends the header: no tagged fields there. */
export class WireWriter {
  readonly #parts: Uint8Array[] = [];
  #out: Buffer;
  /** Where what is not yet in `#parts` begins. */
  #from = 0;
  #at = 1;

  constructor(bytesExpected = 512) {
    this.#out = Buffer.allocUnsafe(bytesExpected);
    this.#out[0] = 0;
  }

  get parts(): readonly Uint8Array[] {
    return [...this.#parts, this.#out.subarray(this.#from, this.#at)];
  }

  #room(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#out.length) {
      const larger = Buffer.allocUnsafe(this.#at * 2);
      this.#out.copy(larger, 0, 0, at);
      this.#out = larger;
    }
    return at;
  }

  byte(value: number): this {
    // Not in one expression: the buffer would be looked up before `#room` replaces it with a larger one.
    const at = this.#room(1);
    this.#out[at] = value;
    return this;
  }

  int16(value: number): this {
    const at = this.#room(2);
    this.#out.writeInt16BE(value, at);
    return this;
  }

  int32(value: number): this {
    const at = this.#room(4);
    this.#out.writeInt32BE(value, at);
    return this;
  }

  int64(value: number): this {
    const at = this.#room(8);
    this.#out.writeBigInt64BE(BigInt(value), at);
    return this;
  }

  id(hex: string): this {
    const at = this.#room(16);
    this.#out.write(hex, at, 'hex');
    return this;
  }

  /** Lengths are one more than they are, as 0 stands for null. */
  #length(length: number): this {
    let rest = length + 1;
    for (; rest >= 128; rest >>>= 7) this.byte((rest & 127) | 128);
    return this.byte(rest);
  }

  text(text: string): this {
    return this.blob(Buffer.from(text));
  }

  blob(bytes: Uint8Array): this {
    this.#length(bytes.length);
    if (bytes.length > COPIED_BYTES_MAX) {
      this.#parts.push(this.#out.subarray(this.#from, this.#at), bytes);
      this.#from = this.#at;
      return this;
    }
    const at = this.#room(bytes.length);
    this.#out.set(bytes, at);
    return this;
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.#length(items.length);
    for (const item of items) write(item);
    return this;
  }

  tags(): this {
    return this.byte(0);
  }
}

/** Reads a flexible answer. Its first byte ends the header. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(answer: Buffer, isField = false) {
    this.#bytes = answer;
    if (!isField) this.tags();
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#at++);
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  int64(): number {
    this.#at += 8;
    return Number(this.#bytes.readBigInt64BE(this.#at - 8));
  }

  id(): string {
    this.#at += 16;
    return this.#bytes.toString('hex', this.#at - 16, this.#at);
  }

  #unsigned(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  /** Of an array or bytes; 0 also for null. */
  length(): number {
    return Math.max(0, this.#unsigned() - 1);
  }

  text(): string {
    return this.blob().toString();
  }

  blob(): Buffer {
    const length = this.length();
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new Error(`an answer of ${this.#bytes.length} bytes ends at ${this.#at}`);
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  array<T>(read: () => T): T[] {
    return Array.from({ length: this.length() }, read);
  }

  tags(read?: (tag: number, field: WireReader) => void): void {
    for (let left = this.#unsigned(); left > 0; left--) {
      const tag = this.#unsigned();
      const length = this.#unsigned();
      read?.(tag, new WireReader(this.#bytes.subarray(this.#at, this.#at + length), true));
      this.#at += length;
    }
  }
}
