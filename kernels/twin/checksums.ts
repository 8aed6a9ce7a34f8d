// The twins of crc32.ts and adler32.ts: a bit, or a byte, at a time.

export function crc32(seed: number, bytes: Uint8Array): number {
  let c = ~seed >>> 0
  for (const byte of bytes) {
    c = (c ^ byte) >>> 0
    for (let k = 0; k < 8; k++) c = c & 1 ? ((c >>> 1) ^ 0xedb88320) >>> 0 : c >>> 1
  }
  return ~c >>> 0
}

export function adler32(seed: number, bytes: Uint8Array): number {
  let a = seed & 0xffff
  let b = seed >>> 16
  for (const byte of bytes) {
    a = (a + byte) % 65521
    b = (b + a) % 65521
  }
  return ((b << 16) | a) >>> 0
}
