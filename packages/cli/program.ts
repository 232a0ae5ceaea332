/** The command's own file, for those that start it as a process and are no command themselves: the demo and tests. */

import { fileURLToPath } from 'node:url';

/** As a checkout has it. */
export const PROGRAM = fileURLToPath(new URL('main.ts', import.meta.url));
