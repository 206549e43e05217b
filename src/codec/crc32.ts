/** Bytes that one round takes: one table each. */
const LANES = 16;

const TABLES = makeTables();

/**
 * Feeds bytes to the CRC-32 of gzip (RFC 1952, section 8).
 *
 * @param crc What the bytes before gave; none for the first.
 * @returns The checksum so far, as an unsigned number.
 */
export function crc32(bytes: Uint8Array, crc = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = bytes.length - bytes.length % LANES;
  let state = ~crc;
  for (let at = 0; at < whole; at += LANES) {
    state = mix(12, state ^ view.getInt32(at, true)) ^ mix(8, view.getInt32(at + 4, true)) ^
      mix(4, view.getInt32(at + 8, true)) ^ mix(0, view.getInt32(at + 12, true));
  }
  for (let at = whole; at < bytes.length; at++) {
    state = entry(0, (state ^ view.getUint8(at)) & 0xff) ^ (state >>> 8);
  }
  return ~state >>> 0;
}

// What four bytes, the lowest first, add to the state when `behind` more bytes of the round follow them.
function mix(behind: number, word: number): number {
  return entry(behind + 3, word & 0xff) ^ entry(behind + 2, (word >>> 8) & 0xff) ^
    entry(behind + 1, (word >>> 16) & 0xff) ^ entry(behind, word >>> 24);
}

function entry(behind: number, byte: number): number {
  return TABLES[behind * 256 + byte] ?? 0;
}

// Table k tells what a byte does to the state when k zero bytes follow it, so a round needs no byte-wise shifting.
function makeTables(): Int32Array {
  const tables = new Int32Array(LANES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let state = byte;
    for (let bit = 0; bit < 8; bit++) state = state & 1 ? (state >>> 1) ^ 0xedb88320 : state >>> 1;
    tables[byte] = state;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] ?? 0;
    tables[at] = (tables[before & 0xff] ?? 0) ^ (before >>> 8);
  }
  return tables;
}
