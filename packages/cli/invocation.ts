/** What every command has: the flags that hold everywhere, the connection they lead to, and how it ends. */

import { connect, type Database } from '@tidemark/client';
import { Fault, isFault } from '@tidemark/platform/fault';
import { onEndAsked } from '@tidemark/platform/process/end-asked';
import { Command, InvalidArgumentError } from 'commander';
import { EXIT, type ExitCode, exitCodeOf } from './exit-code.ts';
import { misuseOf } from './file-trouble.ts';
import { Output } from './output/output.ts';

/** Where a site listens when nothing else is said. */
const DEFAULT_URL = 'http://127.0.0.1:7410';

const TIMEOUT_MS = 30_000;

/** The flags that hold everywhere. */
export type CommonFlags = {
  readonly site?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
  /** In ms; TIMEOUT_MS when it was not given. */
  readonly timeout?: number;
};

/** One run of a command, as its code sees it. */
export type Invocation<F> = {
  readonly flags: F & CommonFlags;
  readonly output: Output;
  /** Aborts on the first Ctrl-C; the second one ends the process. Commands that do not ask for it end at the first. */
  readonly signal: AbortSignal;
  /** Opens the connection that the flags lead to. */
  open(): Promise<Database>;
};

/** A command's code: `words` are its arguments as typed. A Fault it throws is told and gives the exit code. */
export type Run<F> = (invocation: Invocation<F>, words: readonly string[]) => Promise<ExitCode>;

/**
 * A command with the common flags.
 * @param usage its name and arguments, as commander writes them: `put <table> <words...>`
 */
export function command<F extends object = object>(usage: string, summary: string, run: Run<F>): Command {
  const [name, ...words] = usage.split(' ');
  const made = new Command(name);
  if (words.length > 0) made.arguments(words.join(' '));
  return made
    .description(summary)
    .option('--site <name|url>', `site to ask; addresses also from TIDEMARK_URL (default: ${DEFAULT_URL})`)
    .option('--json', 'result as JSON on standard output')
    .option('--yes', 'do not ask before doing what cannot be undone')
    .option('--timeout <duration>', 'give up after this long: 500ms, 30s, 2m (default: 30s)', durationMs)
    .action(async (...args: unknown[]) => {
      const self = args.at(-1) as Command;
      process.exitCode = await invoke(
        self.optsWithGlobals<F & CommonFlags>(),
        args.slice(0, -2).flat() as string[],
        run,
      );
    });
}

async function invoke<F>(flags: F & CommonFlags, words: readonly string[], run: Run<F>): Promise<ExitCode> {
  const output = new Output(flags.json ?? false);
  using interrupt = new Interrupt();
  const invocation = {
    flags,
    output,
    get signal() {
      return interrupt.signal;
    },
    open: () => openDatabase(flags),
  };
  try {
    // A place for arguments that were left out is undefined.
    return await run(
      invocation,
      words.filter((word) => word !== undefined),
    );
  } catch (error) {
    const told = misuseOf(error) ?? error;
    output.error(told);
    if (!isFault(told) && process.env.TIDEMARK_TRACE === undefined) {
      output.note('this is a bug; TIDEMARK_TRACE=1 shows where');
    }
    return exitCodeOf(told);
  }
}

/** One key press may come twice: from the terminal, and through the process that started this one. */
const SAME_SIGNAL_MS = 300;

/**
 * Takes Ctrl-C, SIGTERM, and the end of the terminal over from the first moment a command asks for the signal; until
 * then they end the process.
 */
class Interrupt implements Disposable {
  readonly #stop = new AbortController();
  #ending: Disposable | null = null;
  #askedAtMs = 0;

  get signal(): AbortSignal {
    this.#ending ??= onEndAsked(() => {
      const nowMs = performance.now();
      if (this.#stop.signal.aborted && nowMs - this.#askedAtMs > SAME_SIGNAL_MS) process.exit(EXIT.failed);
      if (!this.#stop.signal.aborted) this.#askedAtMs = nowMs;
      this.#stop.abort();
    });
    return this.#stop.signal;
  }

  [Symbol.dispose](): void {
    this.#ending?.[Symbol.dispose]();
  }
}

/** The addresses that flags and environment name: that of `--site` alone, else all of TIDEMARK_URL, else the default. */
export function siteUrls(flags: CommonFlags, env: Readonly<Record<string, string | undefined>>): string[] {
  if (flags.site !== undefined && /^https?:\/\//.test(flags.site)) return [flags.site];
  const urls = (env.TIDEMARK_URL ?? '').split(',').filter((url) => url.trim() !== '');
  return urls.length > 0 ? urls.map((url) => url.trim()) : [DEFAULT_URL];
}

async function openDatabase(flags: CommonFlags): Promise<Database> {
  const db = await connect(siteUrls(flags, process.env), { timeoutMs: flags.timeout ?? TIMEOUT_MS });
  if (flags.site !== undefined && !/^https?:\/\//.test(flags.site)) await db.preferSite(flags.site);
  return db;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `500ms`, `30s`, `2m`, `1h`; a bare number is seconds. @throws {InvalidArgumentError} it is none. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  const ms = match === null ? 0 : Number(match[1]) * UNIT_MS[match[2] ?? 's']!;
  if (ms > 0) return ms;
  throw new InvalidArgumentError(`got "${text}", expected a duration like 500ms, 30s, 2m.`);
}

/** A whole number from `min`. @throws {InvalidArgumentError} it is none. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && Number.isSafeInteger(value)) return value;
    throw new InvalidArgumentError(`got "${text}", expected a whole number from ${min}.`);
  };
}

/** One of some words. @throws {InvalidArgumentError} it is none of them. */
export function oneOf<W extends string>(...words: readonly W[]): (text: string) => W {
  return (text) => {
    const word = words.find((one) => one === text);
    if (word !== undefined) return word;
    throw new InvalidArgumentError(`got "${text}", expected ${words.join(', ')}.`);
  };
}

/** Adds to a flag that may be given several times. */
export function collected(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** @throws {Fault} `invalid`: a wrong use that flags alone cannot tell. */
export function misused(message: string): never {
  throw new Fault('invalid', message);
}
