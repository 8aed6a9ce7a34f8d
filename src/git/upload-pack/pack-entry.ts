// Headers of pack entries (gitformat-pack(5)): the kind and size, and what a delta rests on.

export const ofsDelta = 6
export const refDelta = 7

/** Writes a kind and size at `at`; returns where the next byte goes. At most 9 bytes for sizes below 2^53. */
export function encodeEntryHeader(out: Uint8Array, at: number, kind: number, sizeBytes: number): number {
  let next = at
  let byte = (kind << 4) | (sizeBytes % 16)
  let rest = Math.floor(sizeBytes / 16)
  while (rest > 0) {
    out[next++] = byte | 128
    byte = rest % 128
    rest = Math.floor(rest / 128)
  }
  out[next++] = byte
  return next
}

/** Writes how far back an offset delta's base starts; returns where the next byte goes. At most 8 bytes. */
export function encodeBaseDistance(out: Uint8Array, at: number, distance: number): number {
  let bytes = 1
  for (let rest = Math.floor(distance / 128); rest > 0; rest = Math.floor((rest - 1) / 128)) bytes++
  let rest = distance
  for (let i = at + bytes - 1; i >= at; i--) {
    out[i] = (rest % 128) | (i === at + bytes - 1 ? 0 : 128)
    rest = Math.floor(rest / 128) - 1
  }
  return at + bytes
}
