/** `/v1/keyspaces`: defining, changing and reading keyspaces, and the guard before every route of a keyspace. */

import { tableSchema } from '@tidemark/ingest/ingest-schema';
import { evolve } from '@tidemark/model/evolve';
import { formatKeyspaceFile, type KeyspaceFile, parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { nearestHint } from '@tidemark/model/nearest';
import { type Keyspace, tableNamed } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import type { SiteCatalog } from '@tidemark/watchdog/history/catalog';
import type { WriterService } from '@tidemark/writer/writer-service';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Keyspaces, redirectTo } from '../keyspaces.ts';

type KeyspaceRouteParts = {
  readonly site: string;
  /** Every site of the cluster. */
  readonly sites: readonly string[];
  readonly catalog: SiteCatalog;
  readonly keyspaces: Keyspaces;
  readonly writer: WriterService | null;
  readonly urlOf: (site: string) => string | null;
  readonly requestTimeoutMs: number;
};

type Put = FastifyRequest<{ Params: { keyspace: string }; Querystring: { dryRun?: string } }>;

/**
 * Adds the routes and the guard: a keyspace that is unknown, still starting or at other sites only is refused before
 * its route runs.
 */
export function registerKeyspaceRoutes(app: FastifyInstance, parts: KeyspaceRouteParts): void {
  const { keyspaces } = parts;
  app.get('/v1/keyspaces', async () => ({
    keyspaces: keyspaces.all().map((one) => ({
      keyspace: one.name,
      version: one.version,
      primary: keyspaces.primaryOf(one.name),
      state: keyspaces.state(one.name),
    })),
  }));
  app.get<{ Params: { keyspace: string } }>('/v1/keyspaces/:keyspace', async (request, reply) => {
    const current = keyspaces.current(request.params.keyspace);
    if (current === null) throw keyspaces.unknown(request.params.keyspace);
    return reply.header('etag', etagOf(current)).send(formatKeyspaceFile(current));
  });
  app.get<{ Params: { keyspace: string; table: string } }>(
    '/v1/keyspaces/:keyspace/tables/:table/schema',
    async ({ params }) => {
      const current = keyspaces.current(params.keyspace);
      if (current === null) throw keyspaces.unknown(params.keyspace);
      return tableSchema(tableNamed(current, params.table));
    },
  );
  app.put('/v1/keyspaces/:keyspace', (request: Put, reply: FastifyReply) => put(parts, request, reply));
  app.addHook('preHandler', async (request) => {
    if (request.routeOptions.url?.startsWith('/v1/:keyspace/') !== true) return;
    const { keyspace } = request.params as { keyspace: string };
    const state = keyspaces.state(keyspace);
    if (state === null) throw keyspaces.unknown(keyspace);
    if (state === 'starting') throw starting(keyspace, parts.site);
    if (state === 'elsewhere') throw keyspaces.elsewhere(keyspace);
  });
}

/** Answers `{keyspace, version, changes}`: 201 when it is new, 200 when it was changed or says nothing new. */
async function put(parts: KeyspaceRouteParts, request: Put, reply: FastifyReply): Promise<object> {
  const file = parseKeyspaceFile(request.body);
  checkName(parts, request.params.keyspace, file);
  if (!parts.catalog.opened) throw parts.keyspaces.unknown(file.keyspace);
  checkSites(parts, file);
  if (parts.keyspaces.current(file.keyspace) === null) {
    // A site whose disks were lost knows nothing of what the others have.
    if (file.primary === parts.site) await parts.catalog.complete(Object.keys(file.sites), parts.requestTimeoutMs);
  }
  const stored = parts.keyspaces.current(file.keyspace);
  const primary = stored === null ? file.primary : parts.keyspaces.primaryOf(stored.name)!;
  if (primary !== parts.site) {
    const message = `keyspace ${file.keyspace} is defined at its primary ${primary}, this is ${parts.site}`;
    throw redirectTo(message, primary, parts.urlOf(primary));
  }
  checkVersion(file.keyspace, request.headers['if-match'], stored);
  const dryRun = isDryRun(request.query.dryRun);
  const { keyspace, changes } = await (dryRun ? evolve(stored, file) : apply(parts, file, stored));
  const status = stored === null && !dryRun ? 201 : 200;
  void reply.code(status).header('etag', etagOf(keyspace));
  return { keyspace: keyspace.name, version: keyspace.version, changes };
}

function isDryRun(text: string | undefined): boolean {
  if (text === undefined || text === 'false') return false;
  if (text === 'true' || text === '') return true;
  throw new Fault('invalid', `dryRun "${text}", expected true or false`, { got: text, expected: 'true or false' });
}

async function apply(parts: KeyspaceRouteParts, file: KeyspaceFile, stored: Keyspace | null) {
  const { catalog, keyspaces, writer, site, requestTimeoutMs } = parts;
  if (stored === null) {
    const created = evolve(null, file);
    await catalog.create(created.keyspace, requestTimeoutMs);
    await keyspaces.started(file.keyspace, requestTimeoutMs);
    return created;
  }
  // Also that nothing is new only the one who writes it can say: what is stored here may be old.
  if (keyspaces.state(file.keyspace) === 'starting') throw starting(file.keyspace, site);
  if (writer === null) throw new Fault('unavailable', `this process of ${site} has no writer to change a keyspace`);
  return writer.evolve(file);
}

function starting(keyspace: string, site: string): Fault {
  return new Fault('unavailable', `keyspace ${keyspace} is starting at ${site}`, { retryAfterMs: 500 });
}

function checkName(parts: KeyspaceRouteParts, inPath: string, file: KeyspaceFile): void {
  const { keyspace } = file;
  const refuse = (message: string, expected: string): never => {
    throw new Fault('invalid', `keyspace "${keyspace}": ${message}`, { got: keyspace, expected });
  };
  if (keyspace !== inPath) refuse(`the path says "${inPath}"`, inPath);
  const twin = parts.keyspaces.all().find((one) => one.name.toLowerCase() === keyspace.toLowerCase());
  if (twin !== undefined && twin.name !== keyspace) refuse(`there is ${twin.name}, which differs by case`, twin.name);
}

/** @throws {Fault} `preconditionFailed`: another version than the one asked for; both named. */
function checkVersion(name: string, ifMatch: string | undefined, stored: Keyspace | null): void {
  if (ifMatch === undefined || (ifMatch.trim() === '*' && stored !== null)) return;
  const wanted = ifMatch.trim().replace(/^(W\/)?"(.*)"$/, '$2');
  const version = stored === null ? 'none' : String(stored.version);
  if (wanted === version) return;
  const message = `keyspace ${name}: If-Match asks for version ${wanted}, stored is ${version}`;
  throw new Fault('preconditionFailed', message, { got: wanted, expected: version });
}

function checkSites({ sites, keyspaces }: KeyspaceRouteParts, file: KeyspaceFile): void {
  const stored = keyspaces.current(file.keyspace)?.sites.map(({ name }) => name) ?? [];
  for (const site of Object.keys(file.sites)) {
    if (sites.includes(site) || stored.includes(site)) continue;
    const message = `keyspace ${file.keyspace}: site ${site} is none of this cluster's`;
    const expected = sites.join(', ');
    throw new Fault('invalid', `${message}: ${expected}${nearestHint(site, sites)}`, { got: site, expected });
  }
}

function etagOf(keyspace: Keyspace): string {
  return `"${keyspace.version}"`;
}
