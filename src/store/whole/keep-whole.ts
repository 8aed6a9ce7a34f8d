// A whole copy of content that is there in another form, for those who read it often.
import { wholeKey } from '../../bucket/index.ts'
import { isCommitUnknown } from '../../db/index.ts'
import { type Digest, digestBytes } from '../digest.ts'
import { insertIntent } from '../segment-writer.ts'
import { type Frame, framesOf } from './frames.ts'
import { PartWriter } from './part-writer.ts'
import { addFrames, digestMismatch, type FinishParts, firstUuid } from './receive.ts'
import { RunningHashes } from './running-hashes.ts'
import { insertCopy } from './whole-rows.ts'

/** False where it was whole already, or has gone. What the source throws; UnavailableError. */
export async function keepWhole(
  parts: FinishParts,
  { digest, sizeBytes }: { readonly digest: Digest; readonly sizeBytes: number },
  source: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<boolean> {
  const { db, pool } = parts
  const uuid = firstUuid(parts)
  await insertIntent(db, wholeKey(uuid))
  const writer = new PartWriter(parts, uuid)
  const hashes = RunningHashes.of(parts.lines, 'sha256')
  const bytes = digestBytes(digest)
  const frames = framesOf(source, pool, { mostBytes: sizeBytes, sizeBytes, signal })
  try {
    await addFrames(writer, hashes, (await frames.next()).value as Frame, frames)
    if (!(await hashes.is({ algorithm: 'sha256', digest: bytes }))) throw digestMismatch()
    const staged = await writer.complete({ digest: bytes, earlier: [] })
    return await db.transaction((tx) => insertCopy(tx, bytes, staged), { mayRetry: true })
  } catch (error) {
    if (!isCommitUnknown(error)) await writer.abort()
    throw error
  } finally {
    await frames.return(undefined)
  }
}
