/** CRC-32C (Castagnoli), the checksum of Kafka's record batches, eight bytes at a step. */

type Table = Int32Array;
type Eight = [Table, Table, Table, Table, Table, Table, Table, Table];

const POLYNOMIAL = 0x82f63b78;

/** TABLES[k][b]: what byte b does to the checksum when k more bytes follow it. */
const TABLES: readonly Int32Array[] = makeTables();

function makeTables(): Int32Array[] {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    tables[0]![byte] = crc;
  }
  for (let k = 1; k < 8; k++)
    for (let byte = 0; byte < 256; byte++) {
      const crc = tables[k - 1]![byte]!;
      tables[k]![byte] = (crc >>> 8) ^ tables[0]![crc & 255]!;
    }
  return tables;
}

/** The checksum of all bytes, as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  let at = 0;
  for (; at < bytes.length && (bytes.byteOffset + at) % 4 !== 0; at++) crc = byteStep(crc, bytes[at]!);
  const pairs = Math.floor((bytes.length - at) / 8);
  if (pairs > 0) crc = pairSteps(crc, new Int32Array(bytes.buffer, bytes.byteOffset + at, pairs * 2));
  for (at += pairs * 8; at < bytes.length; at++) crc = byteStep(crc, bytes[at]!);
  return ~crc >>> 0;
}

function byteStep(crc: number, byte: number): number {
  return TABLES[0]![(crc ^ byte) & 255]! ^ (crc >>> 8);
}

/** Two words at a step. They are little-endian on every machine this runs on. */
function pairSteps(start: number, words: Int32Array): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as Eight;
  let crc = start;
  for (let i = 0; i < words.length; i += 2) {
    const low = crc ^ words[i]!;
    const high = words[i + 1]!;
    crc =
      t7[low & 255]! ^
      t6[(low >>> 8) & 255]! ^
      t5[(low >>> 16) & 255]! ^
      t4[low >>> 24]! ^
      t3[high & 255]! ^
      t2[(high >>> 8) & 255]! ^
      t1[(high >>> 16) & 255]! ^
      t0[high >>> 24]!;
  }
  return crc;
}
