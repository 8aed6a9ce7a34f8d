// A pack of what some ids reach, as a stream, by the same planner that serves fetches: for mirrors that push, and for exports.
import { createHash, type Hash } from 'node:crypto'
import { concatBytes, equalBytes, UnavailableError } from '../base/index.ts'
import { type FetchWorkers, startFetch } from './fetch-job.ts'
import { hashBytes, type ObjectId } from './format/object-id.ts'
import type { SeenPacks, StoredPack } from './odb/index.ts'
import { type FetchEvent, type FetchTask, type PackRegion, packedTips, type VisibleRefs } from './upload-pack/index.ts'
import { RegionCheck } from './upload-pack/region-check.ts'
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
        isEnded = event.trailer
        yield* regionBytes(storedPack(packs, event.region), event, hash)
      }
    }
  } finally {
    fetch.stop()
  }
  // a stored pack that went as it stands has its own trailer at its end, which was held against the hash
  if (!isEnded) yield new Uint8Array(hash.digest())
}

/** Each stretch of about a MiB is checked before its last bytes go, and a pack's own trailer before it goes: so nobody takes a damaged pack for whole. */
async function* regionBytes(
  pack: StoredPack,
  { region, trailer: hasTrailer }: Extract<FetchEvent, { type: 'region' }>,
  hash: Hash,
): AsyncGenerator<Uint8Array, void, undefined> {
  const check = new RegionCheck(region)
  const ends = region.sizeBytes - (hasTrailer ? hashBytes(pack.index.format) : 0)
  const trailer: Uint8Array[] = []
  let at = 0
  for await (const bytes of pack.stream(region.offset, region.sizeBytes)) {
    check.take(bytes)
    const own = bytes.subarray(0, Math.max(0, ends - at))
    if (own.length < bytes.length) trailer.push(bytes.slice(own.length))
    at += bytes.length
    hash.update(own)
    if (own.length > 0) yield own.slice()
  }
  check.end()
  if (!hasTrailer) return
  if (!equalBytes(hash.digest(), concatBytes(trailer))) throw check.corrupt('do not agree with their own trailer')
  yield concatBytes(trailer)
}

/** By its id: the region may have been planned with another set of packs. */
export function storedPack({ set }: SeenPacks, region: PackRegion): StoredPack {
  const planned = set.packs[region.pack]
  const pack = planned?.id === region.packId ? planned : set.packs.find(({ id }) => id === region.packId)
  if (!pack) throw new UnavailableError('pack-gone', `pack ${region.packId} is not there any more`)
  return pack
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
