/** `tidemark schema`: the schemas that other programs need, as JSON on standard output. */

import { splitTableName } from '@tidemark/client/table';
import { ROW_MUTATION_SCHEMA } from '@tidemark/ingest/ingest-schema';
import { KEYSPACE_FILE } from '@tidemark/model/keyspace-file';
import { ENVELOPE_SCHEMA } from '@tidemark/record/envelope-schema';
import { EXIT } from '../exit-code.ts';
import { command, misused } from '../invocation.ts';
import { noKeyspace, readKeyspace } from '../keyspace-of.ts';

const WHAT = 'envelope, row-mutation, table NAME, keyspace-file, or keyspace NAME';

/** Prints a record's Avro schema, or the JSON Schema of a keyspace file, among others. */
export const schema = command('schema <what> [name]', `print a schema: ${WHAT}`, async (invocation, [what, name]) => {
  invocation.output.raw(`${JSON.stringify(await schemaOf(), null, 2)}\n`);
  return EXIT.done;

  async function schemaOf(): Promise<unknown> {
    switch (what) {
      case 'envelope':
        return ENVELOPE_SCHEMA;
      case 'row-mutation':
        return ROW_MUTATION_SCHEMA;
      case 'keyspace-file':
        return KEYSPACE_FILE.toJSONSchema({ unrepresentable: 'any' });
      case 'table': {
        await using db = await invocation.open();
        const place = splitTableName(name ?? misused('schema table needs a name like travel.flights'));
        // As the site has it: columns that were written into being are in it, and ids are right.
        const path = `/v1/keyspaces/${encodeURIComponent(place.keyspace)}/tables/${encodeURIComponent(place.name)}/schema`;
        using reply = await db.ask('any', { method: 'GET', path });
        return reply.response.json();
      }
      case 'keyspace': {
        await using db = await invocation.open();
        const asked = name ?? misused('schema keyspace needs the name of a keyspace');
        const stored = await readKeyspace(db, asked);
        if (stored === null) throw noKeyspace(asked);
        return stored.file;
      }
      default:
        return misused(`schema "${what}", expected ${WHAT}`);
    }
  }
});
