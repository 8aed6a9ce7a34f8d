// Packs with deltas that are made anew: git takes them, nothing is missing, and they are no larger than git's own.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { loadRepository } from '../../../tests/support/fetch-server.ts'
import { git, makeHistory } from '../../../tests/support/history.ts'
import { temporaryFolder } from '../../../tests/support/pack-indexing.ts'
import { Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import { fromHex } from '../../base/index.ts'
import { buildHistory } from './build-history.ts'
import { planPack } from './fetch.ts'
import { writePack } from './pack-writer.ts'
import { openFetchRepository, paced, type PacedRepository } from './repository.ts'
import type { PackRequest } from './selection.ts'

let folder: string
let pushed: string
/** The same history as one pack, and as it was pushed: several packs that were thin. */
const repositories: PacedRepository[] = []

before(async () => {
  folder = makeHistory(300)
  git(folder, ['config', 'uploadpack.allowAnySHA1InWant', 'true'])
  git(folder, ['repack', '-adfq', '--depth=20'])
  pushed = temporaryFolder()
  git(pushed, ['init', '-q', '--bare', '.'])
  git(pushed, ['config', 'receive.unpackLimit', '1'])
  for (const back of [250, 120, 119, 30, 0]) git(folder, ['push', '-q', pushed, `main~${back}:refs/heads/main`])
  for (const path of [folder, pushed]) {
    const { objects, set } = (await loadRepository(path)).repository
    const table = await buildHistory(paced(openFetchRepository(set, objects)))
    repositories.push(paced(openFetchRepository(set, objects, table)))
  }
  assert.ok((repositories[1]?.set.packs.length ?? 0) > 3)
})
after(() => {
  for (const path of [folder, pushed]) rmSync(path, { recursive: true })
})

const id = (name: string) => git(folder, ['rev-parse', name]).toString().trim()
const numbers = (repository: PacedRepository, names: readonly string[]) => names.map((name) => repository.set.find(fromHex(id(name)), 0))

interface Made {
  readonly pack: Buffer
  readonly made: number
}

async function makePack(repository: PacedRepository, request: PackRequest): Promise<Made> {
  const plan = await planPack(repository, request)
  const pieces = writePack(repository, plan)
  const parts: Uint8Array[] = []
  for (;;) {
    const next = await pieces.next()
    if (next.done) {
      const bytes = Buffer.concat(parts)
      return { pack: Buffer.concat([bytes, createHash('sha1').update(bytes).digest()]), made: next.value.made }
    }
    const piece = next.value
    if (piece instanceof Uint8Array) parts.push(piece.slice())
    else for await (const part of repository.set.packs[piece.pack]?.stream(piece.offset, piece.sizeBytes) ?? []) parts.push(part.slice())
  }
}

/** A client that has those commits and all that they reach. */
function client(haves: readonly string[]): string {
  const bare = temporaryFolder()
  git(bare, ['init', '-q', '--bare', '.'])
  for (const [i, have] of haves.entries()) git(bare, ['fetch', '-q', folder, `${id(have)}:refs/heads/have${i}`])
  return bare
}

/** Takes the pack in as git's fetch does, and looks whether everything is there. */
function take(bare: string, pack: Buffer, isThin: boolean, wants: readonly string[], shallow: readonly string[] = []): void {
  mkdirSync(join(bare, 'objects', 'pack'), { recursive: true })
  const options = [...(isThin ? ['--fix-thin'] : []), ...(shallow.length > 0 ? [] : ['--strict'])]
  const { status, stderr } = spawnSync('git', ['-C', bare, 'index-pack', '--stdin', ...options], { input: pack })
  assert.equal(status, 0, `${stderr}`)
  if (shallow.length > 0) writeFileSync(join(bare, 'shallow'), shallow.map((name) => `${id(name)}\n`).join(''))
  for (const [i, want] of wants.entries()) git(bare, ['update-ref', `refs/heads/want${i}`, id(want)])
  git(bare, ['fsck', '--full', '--strict'])
}

const ask = { grafts: [], filter: null, thinPack: true, ofsDelta: true, tags: [] }

test('what the client has is what new objects rest on; the pack is no larger than git’s', async () => {
  for (const [want, have] of [
    ['main', 'main~40'],
    ['main', 'main~200'],
    ['main~10', 'main~11'],
  ] as const) {
    const revisions = `${id(want)}\n^${id(have)}\n`
    const theirs = git(folder, ['pack-objects', '-q', '--revs', '--thin', '--stdout', '--delta-base-offset'], revisions)
    for (const repository of repositories) {
      const request = { ...ask, wants: numbers(repository, [want]), haves: numbers(repository, [have]) }
      const { pack, made } = await makePack(repository, request)
      if (repository === repositories[0]) assert.ok(made > 0, 'some were made deltas')
      assert.ok(pack.length < theirs.length * 1.1, `${pack.length} bytes, git's ${theirs.length}`)
      const bare = client([have])
      take(bare, pack, true, [want])
      rmSync(bare, { recursive: true })
    }
  }
})

test('any wants, haves and cuts, thin or not, with offsets or not', async () => {
  const seeded = new Seeded(seedOfRun('delta-search'))
  let made = 0
  for (let run = 0; run < 24; run++) {
    const repository = repositories[run % 2] as PacedRepository
    const commits = (most: number) => Array.from({ length: seeded.below(most + 1) }, () => `main~${seeded.below(299)}`)
    const wants = ['main', ...commits(1)]
    const haves = seeded.below(4) === 0 ? [] : commits(2)
    const shallow = haves.length === 0 ? [`main~${seeded.below(50)}`, ...commits(1)] : []
    const thinPack = seeded.below(3) > 0
    const request = {
      ...ask,
      wants: numbers(repository, wants),
      haves: numbers(repository, haves),
      grafts: numbers(repository, shallow),
      thinPack,
      ofsDelta: seeded.below(3) > 0,
    }
    const answer = await makePack(repository, request)
    made += answer.made
    const bare = client(haves)
    take(bare, answer.pack, thinPack, shallow.length > 0 ? ['main'] : wants, shallow)
    rmSync(bare, { recursive: true })
  }
  assert.ok(made > 0)
})
