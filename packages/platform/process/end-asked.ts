/** When a process is asked to end, so that it can do so in good order. */

type Reason = 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'parent is gone';

/**
 * Calls `onAsked` each time. SIGHUP asks a process that was started at a terminal, for that is gone then; to any other one
 * it says nothing (under `nohup` it must not), and there is nothing to read again. Where the process has an IPC channel
 * the end of that asks, too.
 * @param onIgnored told of a SIGHUP that asks for nothing
 * @returns ends the listening when disposed
 */
export function onEndAsked(onAsked: (reason: Reason) => void, onIgnored: () => void = () => {}): Disposable {
  const isAtTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY === true);
  const listeners = {
    SIGTERM: () => onAsked('SIGTERM'),
    SIGINT: () => onAsked('SIGINT'),
    SIGHUP: () => (isAtTerminal ? onAsked('SIGHUP') : onIgnored()),
    disconnect: () => onAsked('parent is gone'),
  };
  const names = ['SIGTERM', 'SIGINT', 'SIGHUP', ...(process.channel === undefined ? [] : ['disconnect'])] as const;
  for (const name of names) process.on(name as 'SIGHUP', listeners[name as 'SIGHUP']);
  // It is listened to; nobody waits for it.
  process.channel?.unref();
  return {
    [Symbol.dispose]: () => {
      for (const name of names) process.off(name, listeners[name as 'SIGHUP']);
    },
  };
}
