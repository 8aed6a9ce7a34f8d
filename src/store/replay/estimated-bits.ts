// What klauspost's compress/flate believes that a block would take under codes of its own (token.go, EstimatedBits). Its sums are of 32-bit floating
// point, step by step as on amd64: a sum made otherwise would sometimes choose another block.
import { distanceExtraBits, lengthExtraBits } from './bit-sink.ts'

const round = Math.fround
const [a, b, c] = [round(-0.34484843), round(2.02466578), round(0.67487759)]
const float = new Float32Array(1)
const bitsOf = new Int32Array(float.buffer)

/** −log2 of a share, from 1 to 15. */
function bitsOfShare(share: number): number {
  float[0] = share
  const bits = bitsOf[0] ?? 0
  const exponent = ((bits >> 23) & 255) - 128
  bitsOf[0] = (bits & 0x807fffff) + (127 << 23)
  const mantissa = float[0]
  const fraction = round(round(round(round(a * mantissa) + b) * mantissa) - c)
  return Math.min(Math.max(-round(exponent + fraction), 1), 15)
}

/** @param tokenCount with the end of the block where it has been counted */
export function estimatedBits(literalCounts: Int32Array, distanceCounts: Int32Array, tokenCount: number): number {
  let sum = 0
  let extra = 0
  let matches = 0
  const add = (count: number, inverse: number) => {
    sum = round(sum + round(bitsOfShare(round(count * inverse)) * count))
  }
  if (tokenCount > 0) {
    const inverse = round(1 / round(tokenCount))
    for (let symbol = 0; symbol < 256; symbol++) if (literalCounts[symbol]! > 0) add(literalCounts[symbol]!, inverse)
    sum = round(sum + 15)
    for (let code = 0; code < 29; code++) {
      const count = literalCounts[257 + code] ?? 0
      if (count === 0) continue
      add(count, inverse)
      extra += (lengthExtraBits[code] ?? 0) * count
      matches += count
    }
  }
  if (matches > 0) {
    const inverse = round(1 / round(matches))
    for (let code = 0; code < 30; code++) {
      const count = distanceCounts[code] ?? 0
      if (count === 0) continue
      add(count, inverse)
      extra += (distanceExtraBits[code] ?? 0) * count
    }
  }
  return Math.trunc(sum) + extra
}
