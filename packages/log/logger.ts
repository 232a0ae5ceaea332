/** Where a log says what an operator should know; pino fits as it is. */

export interface Logger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** Says something once per change of state, however often it is told. */
export class Reachability {
  readonly #logger: Logger | undefined;
  readonly #address: string;
  #reachable = true;

  constructor(address: string, logger: Logger | undefined) {
    this.#address = address;
    this.#logger = logger;
  }

  /** The log answered. */
  up(): void {
    if (this.#reachable) return;
    this.#reachable = true;
    this.#logger?.info({ log: this.#address }, `${this.#address}: reachable again`);
  }

  /** The log did not answer, and why. */
  down(reason: string): void {
    if (!this.#reachable) return;
    this.#reachable = false;
    this.#logger?.warn({ log: this.#address, reason }, `${this.#address}: cannot be reached, retrying: ${reason}`);
  }
}
