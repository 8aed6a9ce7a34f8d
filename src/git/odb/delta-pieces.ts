// A delta's target, piece by piece: for objects that are too large to be held twice (gitformat-pack(5), Deltified representation; delta.ts
// has the instructions' form).
import { InputError } from '../../base/index.ts'
import { decodeDeltaHeader } from '../format/delta.ts'

const pieceBytes = 256 << 10

/** Pieces are the receiver's. InputError as `applyDelta`'s, when the delta isn't one of this base. */
export function* deltaPieces(base: Uint8Array, delta: Uint8Array): Generator<Uint8Array> {
  const { baseBytes, targetBytes, headerBytes } = decodeDeltaHeader(delta)
  if (baseBytes !== base.length) throw new InputError('delta-base-size', `delta is for a base of ${baseBytes} bytes, not of ${base.length}`)
  let left = targetBytes
  let piece = new Uint8Array(Math.min(pieceBytes, left))
  let used = 0
  for (let at = headerBytes; at < delta.length; ) {
    const instruction = decodeInstruction(delta, at)
    const source = instruction.copies ? base : delta
    let { from } = instruction
    const end = from + instruction.sizeBytes
    if (end > source.length) throw new InputError('delta-range', 'a delta instruction takes bytes that are not there')
    if (instruction.sizeBytes > left) throw new InputError('delta-target-size', 'a delta makes more than it declares')
    left -= instruction.sizeBytes
    while (from < end) {
      const part = Math.min(piece.length - used, end - from)
      piece.set(source.subarray(from, from + part), used)
      from += part
      used += part
      if (used < piece.length) continue
      yield piece
      piece = new Uint8Array(Math.min(pieceBytes, left + end - from))
      used = 0
    }
    at = instruction.next
  }
  if (left > 0) throw new InputError('delta-target-size', 'a delta makes less than it declares')
}

interface Instruction {
  readonly copies: boolean
  readonly from: number
  readonly sizeBytes: number
  readonly next: number
}

function decodeInstruction(delta: Uint8Array, at: number): Instruction {
  const op = delta[at] as number
  if (op === 0) throw new InputError('delta-opcode', 'unexpected delta opcode 0')
  if (op < 0x80) return { copies: false, from: at + 1, sizeBytes: op, next: at + 1 + op }
  let next = at + 1
  const operand = (bits: number, first: number) => {
    let value = 0
    for (let i = 0; i < bits; i++) {
      if (!(op & (first << i))) continue
      const byte = delta[next++]
      if (byte === undefined) throw new InputError('delta-truncated', 'a delta is truncated in a copy instruction')
      value += byte * 2 ** (8 * i)
    }
    return value
  }
  const from = operand(4, 1)
  return { copies: true, from, sizeBytes: operand(3, 16) || 0x1_0000, next }
}
