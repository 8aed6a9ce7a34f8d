// A pack of what some ids reach, as a stream, by the same planner that serves fetches: for mirrors that push, and for exports.
import { createHash } from 'node:crypto'
import { type FetchWorkers, startFetch } from './fetch-job.ts'
import type { ObjectId } from './format/object-id.ts'
import type { SeenPacks, StoredPack } from './odb/index.ts'
import { type FetchTask, packedTips, type VisibleRefs } from './upload-pack/index.ts'
import { emptyRequest } from './upload-pack/request.ts'

export interface PackStreamOptions {
  readonly wants: readonly ObjectId[]
  /** What the receiver has; may be empty. */
  readonly haves: readonly ObjectId[]
  /** Deltas may rest on what the receiver has. */
  readonly isThin: boolean
  readonly refs: VisibleRefs
  /** Commits whose parents the repository doesn't have. */
  readonly cutOff: readonly ObjectId[]
  readonly signal: AbortSignal
}

/** Pieces are the receiver's. @throws CorruptError; UnavailableError; the signal's reason */
export async function* packStream(
  workers: FetchWorkers,
  packs: SeenPacks,
  options: PackStreamOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const fetch = startFetch(workers, { packs: packs.handle, task: taskOf(options) })
  const hash = createHash(packs.handle.format)
  let isEnded = false
  try {
    for await (const event of fetch.events) {
      options.signal.throwIfAborted()
      if (event.type === 'chunk') {
        hash.update(event.bytes)
        yield event.bytes
      } else if (event.type === 'region') {
        const { pack, offset, sizeBytes } = event.region
        isEnded = event.trailer
        for await (const bytes of (packs.set.packs[pack] as StoredPack).stream(offset, sizeBytes)) {
          hash.update(bytes)
          yield bytes.slice()
        }
      }
    }
  } finally {
    fetch.stop()
  }
  // a stored pack that went as it stands has its own trailer at its end
  if (!isEnded) yield new Uint8Array(hash.digest())
}

function taskOf({ wants, haves, isThin, refs, cutOff }: PackStreamOptions): FetchTask {
  const request = { ...emptyRequest(0), wants: [...wants], thinPack: isThin, ofsDelta: true, noProgress: true }
  return {
    request: { ...request, negotiation: [...haves, 'done'] },
    wants,
    wantedRefs: [],
    unlisted: [],
    tips: packedTips(refs),
    tags: new Uint8Array(0),
    deepenNot: [],
    sparse: [],
    uris: [],
    cutOff,
  }
}
