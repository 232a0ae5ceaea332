/** Where a command's words go: results to standard output, progress to standard error. */

import { messageOf } from '@tidemark/platform/fault';

/** Lines of progress where there is no terminal come at most this often. */
const PROGRESS_LINE_MS = 3_000;
const PROGRESS_BAR_MS = 100;
const BAR_WIDTH = 24;

/** Standard output or error, or what a test has in its place. */
export type Stream = { write(text: string): unknown; readonly isTTY?: boolean };

/** One command's output; a progress bar is shown on a terminal only, and cleared before anything else is written. */
export class Output {
  readonly #stdout: Stream;
  readonly #stderr: Stream;
  readonly json: boolean;
  #shownMs = Number.NEGATIVE_INFINITY;
  #hasBar = false;

  constructor(json: boolean, stdout: Stream = process.stdout, stderr: Stream = process.stderr) {
    this.json = json;
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  /** The result: one line of JSON with `--json`, else in words. */
  result(value: unknown, inWords: string): void {
    this.#clearBar();
    this.#stdout.write(this.json ? `${JSON.stringify(value)}\n` : `${inWords.replace(/\n*$/, '')}\n`);
  }

  /** Text of a result that has a form of its own. */
  raw(text: string): void {
    this.#clearBar();
    this.#stdout.write(text);
  }

  /** A sentence beside the result. */
  note(text: string): void {
    this.#clearBar();
    this.#stderr.write(`${text}\n`);
  }

  /** How far it is: a bar that is redrawn on a terminal, a line every few seconds otherwise. `share` 0–1 or unknown. */
  progress(text: string, share: number | null, nowMs = performance.now()): void {
    const isTerminal = this.#stderr.isTTY === true;
    if (nowMs - this.#shownMs < (isTerminal ? PROGRESS_BAR_MS : PROGRESS_LINE_MS)) return;
    this.#shownMs = nowMs;
    if (!isTerminal) {
      this.#stderr.write(`${text}\n`);
      return;
    }
    const filled = share === null ? 0 : Math.round(Math.min(1, share) * BAR_WIDTH);
    const bar = share === null ? '' : `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} `;
    this.#stderr.write(`\r\u001b[2K${bar}${text}`);
    this.#hasBar = true;
  }

  /** What went wrong, as an object on standard output with `--json` and always as a line on standard error. */
  error(error: unknown): void {
    this.#clearBar();
    if (process.env.TIDEMARK_TRACE !== undefined) console.error(error);
    this.#stderr.write(`tidemark: ${messageOf(error)}\n`);
  }

  #clearBar(): void {
    if (this.#hasBar) this.#stderr.write('\r\u001b[2K');
    this.#hasBar = false;
  }
}

/** Rows of text in columns as wide as they need; numbers to the right. */
export function textTable(header: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = rows.map((row) => row.map((cell) => (cell === null || cell === undefined ? '' : printed(cell))));
  const widths = header.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i]!.length)));
  const isNumber = header.map((_, i) => rows.every((row) => typeof row[i] === 'number' || row[i] === null));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [line(header), line(widths.map((width) => '─'.repeat(width))), ...cells.map(line)].join('\n');
}

/** A cell in words: text as it is, everything else as JSON. Control characters cannot reach the terminal. */
function printed(cell: unknown): string {
  const text = typeof cell === 'string' ? cell : JSON.stringify(cell);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that they are there is the point
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
