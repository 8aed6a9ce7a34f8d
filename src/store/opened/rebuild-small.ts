// A small opened content made again at once, in memory: its parts are read together, for files of many versions stand in few blocks, which would be inflated again and again
// where one came after the other. What is larger streams (rebuild.ts).
import { setImmediate as turn } from 'node:timers/promises'
import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { CorruptError } from '../../base/index.ts'
import type { ContentReader } from '../content-reader.ts'
import { decodeReplayRecipe, type Replay } from '../replay/index.ts'
import { Container, type OpenedForm } from './format/opened-form.ts'
import { TarWalk } from './format/tar-walk.ts'
import { mostMetaBytes, mostSmallBytes, mostSmallPlainBytes } from './limits.ts'
import type { RebuildPlan } from './rebuild-job.ts'

/** Other work of the thread comes in between after so many bytes. */
const stepBytes = 256 << 10

export function isSmallForm({ sizeBytes, plainBytes }: OpenedForm): boolean {
  return sizeBytes <= mostSmallBytes && plainBytes <= mostSmallPlainBytes
}

/** All bytes, whatever range the plan names. CorruptError 'content', 'replay-engine', 'replay-recipe', those of reading; UnavailableError. */
export async function rebuildSmall(
  form: OpenedForm,
  plan: RebuildPlan,
  reader: ContentReader,
  replay: Replay,
): Promise<Uint8Array<ArrayBuffer>> {
  const [bodies, skeleton, corrections] = (await reader.readTogether([plan.bodies, plan.skeleton, plan.corrections])) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const plain = form.isTar ? joined(form, skeleton, bodies) : bodies
  const pieces: Uint8Array[] = []
  if (form.container === Container.none) pieces.push(plain)
  else {
    let at = 0
    let correctedAt = 0
    for (const { header, plainBytes, recipe, correctionBytes } of form.members) {
      const own = plain.subarray(at, at + plainBytes)
      if (own.length < plainBytes) throw new CorruptError('content', 'an opened content has fewer bytes than its members say')
      const encoder = replay.encoder(decodeReplayRecipe(recipe), corrections.subarray(correctedAt, correctedAt + correctionBytes))
      pieces.push(header)
      for (let from = 0; from < own.length; from += stepBytes) {
        if (from > 0) await turn()
        pieces.push(...encoder.push(own.subarray(from, from + stepBytes)))
      }
      pieces.push(...encoder.end(), trailerOf(own))
      at += plainBytes
      correctedAt += correctionBytes
    }
    pieces.push(form.trailing)
  }
  const bytes = new Uint8Array(Buffer.concat(pieces))
  if (hash('sha256', bytes) !== form.digest) {
    throw new CorruptError('content', `an opened content is not made again as its digest says: ${form.digest}`)
  }
  return bytes
}

/** The archive: joinTar (format/tar-split.ts) of what is in memory. */
function joined({ plainBytes }: OpenedForm, skeleton: Uint8Array, bodies: Uint8Array): Uint8Array {
  const walk = new TarWalk(mostMetaBytes)
  const plain = Buffer.allocUnsafe(plainBytes)
  let [at, skeletonAt, bodyAt] = [0, 0, 0]
  while (at < plainBytes) {
    const { bodyLeft } = walk
    const rest = bodyLeft > 0 ? bodies.subarray(bodyAt, bodyAt + bodyLeft) : skeleton.subarray(skeletonAt)
    if (rest.length === 0) break
    const count = bodyLeft > 0 ? rest.length : walk.skeleton(rest)
    if (bodyLeft > 0) walk.body(count)
    else walk.takeMember()
    plain.set(rest.subarray(0, count), at)
    at += count
    if (bodyLeft > 0) bodyAt += count
    else skeletonAt += count
  }
  return plain.subarray(0, at)
}

function trailerOf(plain: Uint8Array): Uint8Array {
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(crc32(plain), 0)
  trailer.writeUInt32LE(plain.length % 2 ** 32, 4)
  return trailer
}
