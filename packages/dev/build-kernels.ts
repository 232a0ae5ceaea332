/**
 * `npm run kernels`: makes `mask-kernels-wasm.ts` from `mask-kernels.wat`, both in `packages/store`, with the assembler of
 * wabt. Only who changes the kernels runs it; a test holds the one against the other.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

type Wabt = {
  parseWat(
    name: string,
    text: string,
    features: { readonly simd: boolean },
  ): { toBinary(options: object): { readonly buffer: Uint8Array }; destroy(): void };
};

const fileOf = (name: string): URL => new URL(`../store/query/${name}`, import.meta.url);

/** The bytes that the text makes. */
export async function assembleKernels(): Promise<Buffer> {
  const load = createRequire(import.meta.url)('wabt') as () => Promise<Wabt>;
  const parsed = (await load()).parseWat('mask-kernels.wat', readFileSync(fileOf('mask-kernels.wat'), 'utf8'), {
    simd: true,
  });
  const bytes = Buffer.from(parsed.toBinary({}).buffer);
  parsed.destroy();
  return bytes;
}

if (process.argv[1] === import.meta.filename) {
  const lines = (await assembleKernels()).toString('base64').match(/.{1,100}/g)!;
  const text = lines.map((line) => `  '${line}'`).join(' +\n');
  writeFileSync(
    fileOf('mask-kernels-wasm.ts'),
    `/** Made from \`mask-kernels.wat\` by \`packages/dev/build-kernels.ts\`: a WebAssembly module, in base64. */\nexport const MASK_KERNELS_WASM =\n${text};\n`,
  );
}
