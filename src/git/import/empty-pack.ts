// A pack without objects: for refs that move to what is stored already.
import { createHash } from 'node:crypto'
import type { ObjectFormat } from '../format/object-id.ts'
import { encodePackHeader } from '../format/pack.ts'

export async function* emptyPack(format: ObjectFormat): AsyncGenerator<Uint8Array, void, undefined> {
  const header = encodePackHeader(0)
  yield header
  yield new Uint8Array(createHash(format).update(header).digest())
}
