// SHA-1 of one long object, piece by piece from linear memory, with detection of collision attacks.
import { hex } from '../../base/index.ts'
import type { Kind } from '../format/object-id.ts'
import { collision } from './arena.ts'
import type { Workspace } from './workspace.ts'

const BLOCK = 64
// In the workspace's scratch: the state, the block being filled (one block and padding).
const STATE = 1024
const PARTIAL = 1088

export class StreamingSha1 {
  readonly #workspace: Workspace
  readonly #total: number
  #filled: number
  #isAttack = false

  /** Begins with git's header. Only one at a time in a workspace. */
  constructor(workspace: Workspace, kind: Kind, size: number) {
    this.#workspace = workspace
    const { kernel, scratch, bytes } = workspace
    kernel.sha1Begin(scratch + STATE)
    const headerEnd = scratch + PARTIAL + 256
    const start = kernel.writeHeader(headerEnd, BigInt(size), kind)
    this.#filled = headerEnd - start
    bytes.copyWithin(scratch + PARTIAL, start, headerEnd)
    this.#total = this.#filled + size
  }

  update(at: number, size: number): void {
    const { bytes, scratch } = this.#workspace
    let from = at
    let left = size
    if (this.#filled > 0) {
      const count = Math.min(BLOCK - this.#filled, left)
      bytes.copyWithin(scratch + PARTIAL + this.#filled, from, from + count)
      this.#filled += count
      from += count
      left -= count
      if (this.#filled < BLOCK) return
      this.#blocks(scratch + PARTIAL, 1)
      this.#filled = 0
    }
    const whole = Math.floor(left / BLOCK)
    if (whole > 0) this.#blocks(from, whole)
    this.#filled = left - whole * BLOCK
    bytes.copyWithin(scratch + PARTIAL, from + whole * BLOCK, from + left)
  }

  #blocks(at: number, count: number): void {
    const { kernel, scratch } = this.#workspace
    if (kernel.sha1Blocks(scratch + STATE, at, count)) this.#isAttack = true
  }

  /** InputError `sha1-collision`. */
  digest(): Uint8Array {
    const { bytes, scratch } = this.#workspace
    const begin = scratch + PARTIAL
    const size = this.#filled < 56 ? BLOCK : BLOCK * 2
    bytes.fill(0, begin + this.#filled, begin + size)
    bytes[begin + this.#filled] = 0x80
    const view = new DataView(bytes.buffer)
    view.setBigUint64(begin + size - 8, BigInt(this.#total) * 8n)
    this.#blocks(begin, size / BLOCK)
    const digest = new Uint8Array(20)
    for (let i = 0; i < 5; i++) new DataView(digest.buffer).setUint32(i * 4, view.getUint32(scratch + STATE + i * 4, true))
    if (this.#isAttack) throw collision(hex(digest))
    return digest
  }
}
