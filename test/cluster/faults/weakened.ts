/**
 * `node --import weakened.ts?NAME`: a site's process that runs production with one rule weakened. A row of the table of
 * faults that holds all the same shows nothing.
 */

import { weaken } from '../../sim/mutants/weaken.ts';
import { weakeningNamed } from './weakenings.ts';

const name = decodeURIComponent(new URL(import.meta.url).search.slice(1));
weaken(weakeningNamed(name));
process.stderr.write(`WEAKENED on purpose: ${name}\n`);
