/**
 * `node --import weakened.ts?NAME`: a site's process that runs production with a rule weakened. A row of the table of
 * faults that holds all the same shows nothing.
 */

import { weaken } from '../../../sim/mutants/weaken.ts';
import { weakeningsNamed } from './weakenings.ts';

const names = decodeURIComponent(new URL(import.meta.url).search.slice(1));
weaken(weakeningsNamed(names));
process.stderr.write(`WEAKENED on purpose: ${names}\n`);
