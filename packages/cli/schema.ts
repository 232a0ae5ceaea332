/** `tidemark schema`: the schemas that other programs need, as JSON on standard output. */

import { ENVELOPE_SCHEMA } from '@tidemark/schema/envelope-schema';
import { ROW_MUTATION_SCHEMA, tableSchema } from '@tidemark/schema/ingest-schema';
import { KEYSPACE_FILE } from '@tidemark/schema/keyspace-file';
import { EXIT } from './exit-code.ts';
import { command, misused } from './invocation.ts';
import { noKeyspace, readKeyspace, readTable } from './keyspace-of.ts';

const WHAT = 'envelope, row-mutation, table NAME, keyspace-file, or keyspace NAME';

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
        return tableSchema(
          (await readTable(db, name ?? misused('schema table needs a name like travel.flights'))).table,
        );
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
