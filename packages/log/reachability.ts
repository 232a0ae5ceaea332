/** Tells an operator that a log cannot be reached, and that it can again: once per change, however often it is tried. */

import type { Logger } from '@tidemark/platform/logger';

/** Whether one log answered last, kept to log only the changes. */
export class Reachability {
  readonly #logger: Logger;
  readonly #address: string;
  #reachable = true;

  constructor(address: string, logger: Logger) {
    this.#address = address;
    this.#logger = logger;
  }

  /** The log answered. */
  up(): void {
    if (this.#reachable) return;
    this.#reachable = true;
    this.#logger.info({ log: this.#address }, `${this.#address}: reachable again`);
  }

  /** The log did not answer, and why. */
  down(reason: string): void {
    if (!this.#reachable) return;
    this.#reachable = false;
    this.#logger.warn({ log: this.#address, reason }, `${this.#address}: cannot be reached, retrying: ${reason}`);
  }
}
