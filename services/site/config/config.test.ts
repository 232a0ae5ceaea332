import { resolve } from 'node:path';
import { isFault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ConfigInput, describeConfig, readConfig } from './config.ts';
import { environmentName, flagName, SETTING_NAMES } from './settings.ts';

const SITES = {
  paris: { log: 'sqlite:paris/log.db', board: 'file:paris/board.json', url: 'http://127.0.0.1:7410' },
  tokyo: { log: 'kafka://k1:9092,k2:9092', board: 'redis://user:secret@r1:6379' },
};

function fileOf(settings: object, path = '/etc/tidemark/tidemark.json'): NonNullable<ConfigInput['file']> {
  return { path, text: JSON.stringify({ site: 'paris', sites: SITES, ...settings }) };
}

function complaintOf(input: ConfigInput): string {
  try {
    readConfig(input);
  } catch (error) {
    if (isFault(error, 'invalid')) return error.message;
    throw error;
  }
  throw new Error('was accepted');
}

describe('config', () => {
  it('takes the flag before the environment, the environment before the file, the file before the default', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.boolean(), fc.boolean(), (inFile, inEnvironment, inFlags) => {
        const config = readConfig({
          file: fileOf(inFile ? { appendTimeoutMs: 1111 } : {}),
          env: inEnvironment ? { TIDEMARK_APPEND_TIMEOUT_MS: '2222', HOME: '/root' } : {},
          flags: inFlags ? { appendTimeoutMs: '3333' } : {},
        });
        const expected = inFlags
          ? [3333, '--append-timeout-ms']
          : inEnvironment
            ? [2222, 'TIDEMARK_APPEND_TIMEOUT_MS']
            : inFile
              ? [1111, '/etc/tidemark/tidemark.json']
              : [5000, 'default'];
        expect([config.appendTimeoutMs, config.given.get('appendTimeoutMs')?.from]).toEqual(expected);
      }),
    );
  });

  it('reads the shape of the contract: the address picks the engine', () => {
    const config = readConfig({ file: fileOf({ listen: '127.0.0.1:7410', data: './.tidemark/paris' }) });
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 7410 });
    expect(config.peerListen).toEqual({ host: '127.0.0.1', port: 0 });
    expect(config.sites.get('paris')).toEqual({
      log: { engine: 'sqlite', path: '/etc/tidemark/paris/log.db' },
      board: { engine: 'file', path: '/etc/tidemark/paris/board.json' },
      url: 'http://127.0.0.1:7410',
      peerUrl: null,
    });
    expect(config.sites.get('tokyo')).toEqual({
      log: { engine: 'kafka', brokers: ['k1:9092', 'k2:9092'] },
      board: { engine: 'redis', url: 'redis://user:secret@r1:6379' },
      url: null,
      peerUrl: null,
    });
  });

  it('takes a relative path from the folder of the file that says it, else from the working folder', () => {
    expect(readConfig({ file: fileOf({ data: 'here' }) }).data).toBe('/etc/tidemark/here');
    expect(readConfig({ file: fileOf({ data: 'here' }), flags: { data: 'there' } }).data).toBe(resolve('there'));
    expect(readConfig({ file: fileOf({ data: '/abs' }) }).data).toBe('/abs');
  });

  it('makes a lone embedded site of a name and a folder', () => {
    const config = readConfig({ flags: { site: 'paris', data: '/srv/p' } });
    expect(config.sites.get('paris')?.log).toEqual({ engine: 'sqlite', path: '/srv/p/log.db' });
    expect(config.roles).toEqual(['writer', 'mirror', 'applier', 'watchdog']);
  });

  it('names the nearest known setting for one that is misspelt, wherever it stands', () => {
    expect(complaintOf({ file: fileOf({ lisen: 'x' }) })).toContain('unknown setting "lisen" (nearest: listen)');
    expect(complaintOf({ file: fileOf({}), env: { TIDEMARK_APEND_TIMEOUT_MS: '1' } })).toContain(
      'unknown setting TIDEMARK_APEND_TIMEOUT_MS (nearest: TIDEMARK_APPEND_TIMEOUT_MS)',
    );
    expect(complaintOf({ file: fileOf({}), flags: { dat: 'x' } })).toContain('unknown flag --dat (nearest: --data)');
    const sites = { paris: { ...SITES.paris, bord: 'file:b' } };
    expect(complaintOf({ file: fileOf({ sites }) })).toContain('unknown setting "bord" (nearest: board)');
  });

  it('names everything that is wrong at once', () => {
    const complaint = complaintOf({
      file: fileOf({ listen: 'nowhere', roles: ['cook'], pendingBytesMax: 1, nope: 1 }),
    });
    for (const field of ['listen', 'roles.0', 'pendingBytesMax', 'nope']) expect(complaint).toContain(field);
  });

  it.each([
    [{ listen: '0.0.0.0:7410' }, 'got "0.0.0.0:7410", expected a loopback address'],
    [{ listen: '192.168.1.5:7410' }, 'got "192.168.1.5:7410", expected a loopback address'],
    [{ listen: '127.0.0.1' }, 'got "127.0.0.1", expected a loopback address'],
    [{ listen: '127.0.0.1:70000' }, 'got "127.0.0.1:70000", expected a loopback address'],
    [{ roles: ['writer', 'baker'] }, 'got "baker", expected writer or mirror or applier or watchdog'],
    [{ roles: [] }, 'roles (/etc/tidemark/tidemark.json): got [], expected at least 1'],
    [{ appendTimeoutMs: 'soon' }, 'got "soon", expected a whole number'],
    [{ appendTimeoutMs: 1.5 }, 'got 1.5, expected a whole number'],
    [{ memtableBytesMax: -1 }, 'got -1, expected at least 1048576'],
    [{ memory: '512' }, 'got "512", expected a size such as "512MB"'],
    [{ memory: '128MB' }, 'memory (/etc/tidemark/tidemark.json): got 128000000 bytes, expected at least 255013684'],
    [
      { memory: '512MB', bodyBytesMax: 64 << 20 },
      'bodyBytesMax (/etc/tidemark/tidemark.json): got 67108864, expected at most 33979904',
    ],
    [{ site: 'pari' }, 'site: got "pari", expected one of paris, tokyo (nearest: paris)'],
    [{ site: '../x' }, 'got "../x", expected a name'],
    [{ logLevel: 'loud' }, 'got "loud", expected trace or debug'],
    [
      { sites: { paris: { log: 'postgres://x', board: 'file:b' } } },
      'got "postgres://x", expected sqlite:PATH or kafka',
    ],
    [{ sites: { paris: { log: 'kafka://k1', board: 'file:b' } } }, 'got "kafka://k1", expected sqlite:PATH or kafka'],
    [{ sites: { paris: { log: 'sqlite:', board: 'file:b' } } }, 'got "sqlite:", expected sqlite:PATH'],
    [{ sites: { paris: { log: 'sqlite:x', board: 'memcache:b' } } }, 'got "memcache:b", expected file:PATH or redis'],
    [{ sites: { paris: { log: 'sqlite:x' } } }, 'sites.paris.board (/etc/tidemark/tidemark.json): got nothing'],
    [{ sites: { paris: { ...SITES.paris, url: 'paris:7410' } } }, 'got "paris:7410", expected http://host:port'],
    [{ sites: { paris: SITES.paris, nice: SITES.paris } }, 'paris and nice have the same log'],
    [{ sites: { 'a b': SITES.paris } }, 'a name: letters, digits'],
  ])('refuses %j, naming what was given and what is expected', (settings, expected) => {
    expect(complaintOf({ file: fileOf(settings) })).toContain(expected);
  });

  it('listens beyond loopback only where it is told that the network is trusted', () => {
    const file = fileOf({ listen: '0.0.0.0:7410' });
    expect(complaintOf({ file, env: { TIDEMARK_TRUSTED_NETWORK: 'false' } })).toContain('expected a loopback address');
    expect(complaintOf({ file, env: { TIDEMARK_TRUSTED_NETWORK: 'yes' } })).toContain('got "yes", expected boolean');
    const config = readConfig({ file, env: { TIDEMARK_TRUSTED_NETWORK: 'true' } });
    expect(config.listen).toEqual({ host: '0.0.0.0', port: 7410 });
    expect(config.peerListen).toEqual({ host: '0.0.0.0', port: 0 });
    const peers = { file: fileOf({ peerListen: '0.0.0.0:7411' }) };
    expect(complaintOf(peers)).toContain('peerListen (/etc/tidemark/tidemark.json): got "0.0.0.0:7411"');
  });

  it('refuses a file that is not an object of settings, and no site at all', () => {
    expect(complaintOf({ file: { path: 'tidemark.json', text: '{"site":' } })).toContain('tidemark.json is not JSON');
    expect(complaintOf({ file: { path: 'tidemark.json', text: '[]' } })).toContain('got [], expected an object');
    expect(complaintOf({})).toContain('site: got nothing, expected string (which of the sites this process is)');
  });

  it('leaves alone the variables other parts of the product read', () => {
    expect(readConfig({ file: fileOf({}), env: { TIDEMARK_KAFKA: 'a:1', TIDEMARK_CACHE: '/c' } }).site).toBe('paris');
  });

  it('prints each setting with its value and where it came from, and no password', () => {
    const printed = describeConfig(readConfig({ file: fileOf({}), flags: { logLevel: 'warn' } }));
    expect(Object.keys(printed)).toEqual(SETTING_NAMES);
    expect(printed.logLevel).toMatchObject({ value: 'warn', from: '--log-level' });
    expect(printed.sites).toMatchObject({ from: '/etc/tidemark/tidemark.json' });
    expect(JSON.stringify(printed)).not.toContain('secret');
    expect(JSON.stringify(printed)).toContain('redis://user:***@r1:6379');
  });

  it('covers the password of an address it refuses', () => {
    const sites = { paris: { log: 'sqlite:x', board: 'amqp://user:secret@host/x' } };
    expect(complaintOf({ file: fileOf({ sites }) })).not.toContain('secret');
  });

  it('knows each setting under one name everywhere', () => {
    expect(environmentName('memtableBytesMax')).toBe('TIDEMARK_MEMTABLE_BYTES_MAX');
    expect(flagName('memtableBytesMax')).toBe('--memtable-bytes-max');
  });
});
