/** Programs of this machine, found the way a shell finds them. */

import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Full path of a program on the PATH, or null. */
export function findProgram(name: string): string | null {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder !== '' && isProgram(path)) return path;
  }
  return null;
}

/** Java of `JAVA_HOME`, else of the PATH, or null. */
export function findJava(): string | null {
  const home = process.env.JAVA_HOME;
  if (home !== undefined && isProgram(join(home, 'bin', 'java'))) return join(home, 'bin', 'java');
  return findProgram('java');
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
