// A fetch from the request to the pack, as a series of events: what a worker does. Nothing here knows of threads, frames or sockets.
import { decodePackHeader, encodePackHeader, PACK_HEADER_BYTES } from '../format/pack.ts'
import { hashBytes, type ObjectId } from '../format/object-id.ts'
import { concatBytes } from '../../base/index.ts'
import type { StoredPack } from '../odb/pack-set.ts'
import { findDeltaCandidates } from './delta-search.ts'
import type { FetchTask } from './fetch-task.ts'
import { negotiate } from './negotiation.ts'
import { excludeByUri } from './packfile-uris.ts'
import { type PackPlan, planRuns, type Run } from './pack-plan.ts'
import { type WriteCounts, writePack } from './pack-writer.ts'
import { type FetchRepository, paced, type PacedRepository } from './repository.ts'
import { requestKey } from './request-key.ts'
import { type PackRegion, RunBytes } from './run-bytes.ts'
import { SectionWriter } from './section-writer.ts'
import { type PackRequest, type Selection, selectObjects } from './selection.ts'

export type FetchEvent =
  /**
   * First, once: pkt-lines to be sent as they are. `pack` false: nothing follows. `key` names the pack among the network's (request-key.ts); null:
   * it has no name. `common`: what the client and we have, for the next part of a conversation.
   */
  | {
      readonly type: 'preamble'
      readonly bytes: Uint8Array
      readonly pack: boolean
      readonly key: string | null
      readonly common?: readonly ObjectId[]
    }
  /** The same, between the preamble and the pack: sections that are known when the pack is planned. */
  | { readonly type: 'section'; readonly bytes: Uint8Array }
  /** For the user, in git's words, with its line end. */
  | { readonly type: 'progress'; readonly text: string }
  /** Bytes of the pack; the receiver's to keep. */
  | { readonly type: 'chunk'; readonly bytes: Uint8Array }
  /** Bytes of a stored pack that are the next of this one. `trailer`: they end with a trailer that is right for what was sent. */
  | { readonly type: 'region'; readonly region: PackRegion; readonly trailer: boolean }

/**
 * @throws InputError before the first event (what the client asks makes no sense) or while the pack is planned (its filter is too dear);
 * CorruptError at any time; the signal's reason once it is aborted.
 */
export async function* fetchEvents(
  kept: FetchRepository,
  task: FetchTask,
  signal?: AbortSignal,
): AsyncGenerator<FetchEvent, void, undefined> {
  const mayLack = task.request.promisors.length > 0
  const repository = paced(kept, signal, mayLack)
  const { common, pack, preamble } = await negotiate(repository, task)
  // what is elsewhere isn't in the pack, and another client may not know how to get it
  const name = pack && task.uris.length === 0 ? requestKey(repository.set, pack) : null
  const key = name && mayLack ? `${name} with gaps` : name
  yield { type: 'preamble', bytes: preamble, pack: pack !== null, key, common }
  if (!pack) return
  let elsewhere: readonly string[] = []
  const plan = await planPack(repository, pack, (selection) => {
    const { lines, selection: rest } = excludeByUri(repository, selection, task.uris)
    elsewhere = lines
    return rest
  })
  if (task.uris.length > 0) yield { type: 'section', bytes: uriSection(elsewhere) }
  yield { type: 'progress', text: countingText(plan.objectCount) }
  const counts = yield* packEvents(repository, plan)
  yield { type: 'progress', text: totalText(plan, counts) }
}

/** Chooses the objects and how they are written; `lessen` may take some away. CorruptError when what has to be walked can't be read. */
export async function planPack(
  repository: PacedRepository,
  request: PackRequest,
  lessen: (selection: Selection) => Selection = (selection) => selection,
): Promise<PackPlan> {
  const selection = lessen(await selectObjects(repository, request))
  const counts: number[] = []
  for (const [place, pack] of repository.set.packs.entries()) counts.push(await headerCount(repository, place, pack))
  const candidates = await findDeltaCandidates(repository, selection, request)
  return await planRuns(repository.set, selection, request, candidates, counts, repository.pace)
}

async function* packEvents(repository: PacedRepository, plan: PackPlan): AsyncGenerator<FetchEvent, WriteCounts, undefined> {
  if (plan.verbatim !== null) {
    const pack = repository.set.packs[plan.verbatim] as StoredPack
    const segments = await new RunBytes(repository, plan.runs).segments(plan.runs[0] as Run)
    const checks = pack.index.checks()
    const packEnds = checks && concatBytes([encodePackHeader(pack.index.count), checks.trailer])
    const region = { pack: plan.verbatim, packId: pack.id, offset: 0, sizeBytes: pack.index.packBytes, segments, packEnds }
    yield { type: 'region', region, trailer: true }
    return { encoded: 0, made: 0, gained: 0, copied: plan.objectCount }
  }
  const pieces = writePack(repository, plan)
  for (let next = await pieces.next(); ; next = await pieces.next()) {
    if (next.done) return next.value
    yield next.value instanceof Uint8Array ? { type: 'chunk', bytes: next.value } : { type: 'region', region: next.value, trailer: false }
  }
}

async function headerCount(repository: FetchRepository, place: number, pack: StoredPack): Promise<number> {
  const known = repository.headerCounts.get(place)
  if (known !== undefined) return known
  const read = pack.read(0, Math.min(pack.index.packBytes, PACK_HEADER_BYTES + hashBytes(pack.index.format)))
  const count = decodePackHeader(read instanceof Promise ? await read : read)?.objectCount ?? -1
  repository.headerCounts.set(place, count)
  return count
}

/** The sections from packfile-uris on, whose request asked for sideband-all. */
function uriSection(lines: readonly string[]): Uint8Array {
  const out = new SectionWriter(true)
  if (lines.length > 0) out.text('packfile-uris\n')
  for (const line of lines) out.text(line)
  if (lines.length > 0) out.delim()
  return out.text('packfile\n').take()
}

function countingText(objects: number): string {
  const counting = objects === 0 ? '' : `Counting objects: 100% (${objects}/${objects}), done.\n`
  return `Enumerating objects: ${objects}, done.\n${counting}`
}

function totalText({ objectCount, deltaCount }: PackPlan, { encoded, made, gained, copied }: WriteCounts): string {
  const deltas = deltaCount - encoded + gained
  const reused = objectCount - encoded - made
  return `Total ${objectCount} (delta ${deltas}), reused ${reused} (delta ${deltas - made}), pack-reused ${copied}\n`
}
