/** Requests to other processes, as a port. */

export interface Network {
  /**
   * Lines of a streamed answer, until the other side ends it or `signal` aborts.
   * @throws whatever went wrong: the caller tries again.
   */
  lines(url: string, signal: AbortSignal): AsyncGenerator<string>;
}

/** HTTP with Node's own fetch. */
export class HttpNetwork implements Network {
  async *lines(url: string, signal: AbortSignal): AsyncGenerator<string> {
    const response = await fetch(url, { signal });
    if (!response.ok || response.body === null) throw new Error(`GET ${url}: status ${response.status}`);
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of response.body) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = parts.pop()!;
      yield* parts;
    }
  }
}
