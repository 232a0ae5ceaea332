/** A screen that is drawn over and over: nothing flickers, and what was on the terminal before is back afterwards. */

import type { Stream } from './output.ts';

const OPEN = '\u001b[?1049h\u001b[?25l';
const CLOSE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

type Terminal = Stream & { readonly columns?: number; readonly rows?: number };

/** The terminal's second screen, from construction until disposal. */
export class LiveScreen implements Disposable {
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    terminal.write(OPEN);
  }

  /** Shows the text, as much of it as the terminal has room for. */
  draw(text: string): void {
    const { columns = 200, rows = 60 } = this.#terminal;
    const lines = text.split('\n').slice(0, rows - 1);
    const shown = lines.map((line) => `${[...line].slice(0, columns).join('')}${CLEAR_LINE}\n`);
    this.#terminal.write(`${HOME}${shown.join('')}${CLEAR_BELOW}`);
  }

  [Symbol.dispose](): void {
    this.#terminal.write(CLOSE);
  }
}
