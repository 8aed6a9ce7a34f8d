// The worker's half of compaction: reads what is live of segments, checks it, and packs it into blocks anew.
import { hex, MessageStream } from '../base/index.ts'
import type { MessagePort } from 'node:worker_threads'
import { Asking } from './asking.ts'
import { BlockPacker, buffersOf, slowLevel } from './block-packer.ts'
import type { ContentReader, SegmentPlace } from './content-reader.ts'
import { digestOf } from './digest.ts'
import { decodeForms } from './format/forms.ts'
import { decodePortable } from './format/recipe.ts'

export interface CompactJob {
  readonly segments: readonly SegmentPlace[]
  /** For each of them, a byte for each chunk: 1 where a recipe names it. */
  readonly live: readonly Uint8Array[]
  /** In which order they are moved: of each run which segment it is in, first ordinal, count. Names each live chunk. */
  readonly order: Uint32Array
  readonly asking: MessagePort
}

/** Ordinals of chunks that nobody needs. */
export const noOrdinal = 0xffffffff

export interface CompactJobResult {
  /** For each segment, where its chunks are now, by ordinal. */
  readonly places: readonly Uint32Array[]
  /** For each segment, its `MOVE`. */
  readonly moves: readonly Uint8Array[]
  /** Contents whose recipes stood in these segments. */
  readonly digests: readonly string[]
  /** Their `OPEN`s together. */
  readonly forms: readonly Uint8Array[]
}

export async function compactJob(job: CompactJob, port: MessagePort, reader: ContentReader): Promise<void> {
  const stream = new MessageStream<never>(port)
  const asking = new Asking(job.asking)
  const packer = new BlockPacker((block) => asking.ask('block', block, buffersOf(block)), slowLevel)
  try {
    const known = new Map<string, number>()
    const digests = new Set<string>()
    const places: Uint32Array[] = []
    const moves: Uint8Array[] = []
    const forms: Uint8Array[] = []
    for (const live of job.live) places.push(new Uint32Array(live.length).fill(noOrdinal))
    for (let n = 0; n < job.order.length; n += 3) {
      const [at, first, count] = job.order.subarray(n, n + 3) as unknown as [number, number, number]
      const segment = job.segments[at] as SegmentPlace
      const place = places[at] as Uint32Array
      const isWanted = (ordinal: number) => job.live[at]?.[ordinal] === 1 && place[ordinal] === noOrdinal
      for await (const chunk of reader.chunksOf(segment, first, count, isWanted)) {
        const name = hex(chunk.hash)
        const there = known.get(name)
        if (there === undefined) {
          await packer.add(chunk.bytes, new Uint8Array(chunk.hash))
          known.set(name, known.size)
        }
        place[chunk.ordinal] = there ?? known.size - 1
      }
    }
    for (const segment of job.segments) {
      const index = await reader.index(segment)
      for (const { digest } of decodePortable(index.section('CONT'))) digests.add(digestOf(digest))
      forms.push(...decodeForms(index.section('OPEN')))
      moves.push(new Uint8Array(index.section('MOVE')))
    }
    await packer.finish()
    stream.send({ places, moves, digests: [...digests], forms } satisfies CompactJobResult)
  } catch (error) {
    stream.fail(error)
  } finally {
    asking.close()
  }
}
