// The twin of chunk.ts: FastCDC a byte at a time, its 64-bit sum as two halves.

/** The gear table's halves: splitmix64 from zero on. */
const gear = gearTable()

function gearTable(): { readonly high: Uint32Array; readonly low: Uint32Array } {
  const high = new Uint32Array(256)
  const low = new Uint32Array(256)
  const whole = (value: bigint): bigint => BigInt.asUintN(64, value)
  let state = 0n
  for (let i = 0; i < 256; i++) {
    state = whole(state + 0x9e3779b97f4a7c15n)
    let z = whole((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n)
    z = whole((z ^ (z >> 27n)) * 0x94d049bb133111ebn)
    z ^= z >> 31n
    high[i] = Number(z >> 32n)
    low[i] = Number(z & 0xffffffffn)
  }
  return { high, low }
}

/** The size of the chunk that `bytes` begin with; all of them when there is no cut before and they are not more than `most`. */
export function chunkSize(bytes: Uint8Array, least: number, bits: number, most: number): number {
  if (bytes.length <= least) return bytes.length
  const end = Math.min(bytes.length, most)
  const whole = end - (end % 2)
  let high = 0
  let low = 0
  for (let at = least; at < whole; at++) {
    const byte = bytes[at] as number
    const sum = low * 2 + (gear.low[byte] as number)
    high = (high * 2 + (gear.high[byte] as number) + Math.floor(sum / 2 ** 32)) % 2 ** 32
    low = sum % 2 ** 32
    const asked = at < Math.min(2 ** bits, whole) ? bits + 2 : bits - 2
    // bits 62 … 63 − asked of the sum, which are all in its high half
    if (Math.floor((high % 2 ** 31) / 2 ** (31 - asked)) === 0) return at + 1
  }
  return end
}
