// Makes a part of a path table, in a worker: all that the stored parts lack, and what of them is written anew with it.
import type { MessagePort } from 'node:worker_threads'
import { answerJob } from '../../base/index.ts'
import type { FetchRepositories } from '../fetch-job.ts'
import { hashBytes, Kind } from '../format/object-id.ts'
import { codeOf, encodePathTable, goneValue } from '../format/path-table.ts'
import type { PackSetHandle } from '../odb/index.ts'
import { paced, type PacedRepository } from '../upload-pack/index.ts'
import { NewChanges, type StoredChanges } from './changes.ts'
import { cover } from './cover.ts'
import type { PathIndex } from './path-index.ts'

export interface TableJob {
  /** With the stored parts. */
  readonly packs: PackSetHandle
  /** Commits of packs with higher ids are looked for. */
  readonly lastPack: number
}

/** Before its bytes; without bytes when there is nothing that the stored parts lack. */
export interface MadePathPart {
  /** Place of the stored part whose place it takes; as many as there are: it goes on behind them. */
  readonly part: number
  readonly changes: number
  /** In all parts up to this one. */
  readonly commits: number
  /** False: there was more than goes into one part. */
  readonly isWhole: boolean
}

/** A part takes the place of those before it that have less than so many times the changes of all behind them … */
const growth = 2
/** … while it has no more than these: what one worker holds at a time. */
export const mostChanges = 1 << 20
/** Commits that come to a part; with them alone memory is bounded, too. */
const mostCommits = 1 << 19

export async function tableJob(job: TableJob, port: MessagePort, repositories: FetchRepositories): Promise<void> {
  await answerJob(port, async (main, signal) => {
    const repository = paced(repositories.open(job.packs), signal)
    const index = repository.paths
    const { isWhole } = await cover(repository, await newCommits(repository, job.lastPack), { commits: mostCommits, changes: mostChanges })
    const counts = index.stored.map(({ table }) => table.rows.length)
    const part = partFor(counts, index.fresh.count)
    const changes = counts.slice(part).reduce((sum, count) => sum + count, index.fresh.count)
    main.send({ part, changes, commits: index.rows.count, isWhole } satisfies MadePathPart)
    if (index.rows.count > index.storedRows) {
      const bytes = encodeFrom(index, part)
      await main.sendBytes(bytes, bytes.byteLength === bytes.buffer.byteLength)
    }
    main.endBytes()
  })
}

/** From which on parts are written as one. @param counts changes in each of them @param fresh in what comes behind */
export function partFor(counts: readonly number[], fresh: number): number {
  let part = counts.length
  let behind = fresh
  for (; part > 0; part--) {
    const count = counts[part - 1] as number
    if (count >= growth * behind || count + behind > mostChanges) break
    behind += count
  }
  return part
}

/** Commits of the packs that came since, the oldest first. */
async function newCommits({ commits, pace, set }: PacedRepository, lastPack: number): Promise<number[]> {
  const found: number[] = []
  for (const { id, first, index } of set.packs) {
    for (let position = 0; id > lastPack && position < index.count; position++) {
      const turn = pace.turn()
      if (turn) await turn
      if (index.kind(position) !== Kind.commit) continue
      const number = set.packs.length === 1 ? first + position : set.find(index.oid(position), 0)
      const loading = commits.load(number)
      if (loading) await loading
      found.push(number)
    }
  }
  return found.sort((a, b) => commits.time(a) - commits.time(b))
}

/** All that is behind the first `part` stored parts. */
export function encodeFrom(index: PathIndex, part: number): Uint8Array {
  const { rows, stored, format } = index
  const h = hashBytes(format)
  const firstRow = stored[part]?.table.firstRow ?? index.storedRows
  const count = rows.count - firstRow
  const ids = new Uint8Array(count * h)
  const times = new Float64Array(count)
  const firstParents = new Uint32Array(count + 1)
  const parents: number[] = []
  for (let i = 0; i < count; i++) {
    ids.set(rows.id(firstRow + i), i * h)
    times[i] = rows.time(firstRow + i)
    for (let place = 0; place < rows.parentCount(firstRow + i); place++) parents.push(rows.parent(firstRow + i, place))
    firstParents[i + 1] = parents.length
  }
  const changes = part === stored.length ? index.fresh : merged([...stored.slice(part), index.fresh], h)
  return encodePathTable({ format, firstRow, ids, times, firstParents, parents: Uint32Array.from(parents), ...changes.encode() })
}

function merged(parts: readonly (StoredChanges | NewChanges)[], h: number): NewChanges {
  const all = new NewChanges(h)
  for (const part of parts) {
    for (const [folder, name, { rows, values, from, to }] of part.all()) {
      for (let at = from; at < to; at++) {
        const value = values[at] as number
        if (value === goneValue) all.add(folder, name, rows[at] as number, -1, new Uint8Array(0), 0)
        else all.add(folder, name, rows[at] as number, codeOf(value), part.idOf(value), 0)
      }
    }
  }
  return all
}
