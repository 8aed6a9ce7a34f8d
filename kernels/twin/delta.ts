// The twin of delta.ts.
import { DeltaStatus } from '../kernel.ts'

/** The instructions' result, or a DeltaStatus. */
export function applyDelta(base: Uint8Array, instructions: Uint8Array, size: number): Uint8Array | number {
  const out: number[] = []
  for (let at = 0; at < instructions.length; ) {
    const op = instructions[at++]!
    if (op === 0) return DeltaStatus.form
    if (op < 128) {
      if (at + op > instructions.length || out.length + op > size) return DeltaStatus.form
      for (let i = 0; i < op; i++) out.push(instructions[at++]!)
      continue
    }
    let offset = 0
    let count = 0
    for (let i = 0; i < 4; i++) if (op & (1 << i)) offset += (instructions[at++] ?? 0) * 256 ** i
    for (let i = 0; i < 3; i++) if (op & (16 << i)) count += (instructions[at++] ?? 0) * 256 ** i
    if (at > instructions.length) return DeltaStatus.form
    if (count === 0) count = 65536
    if (offset + count > base.length) return DeltaStatus.range
    if (out.length + count > size) return DeltaStatus.form
    for (let i = 0; i < count; i++) out.push(base[offset + i]!)
  }
  return out.length === size ? Uint8Array.from(out) : DeltaStatus.form
}
