// What is sent, held against a plain walk over the same objects: enough for the client, and nothing that the wants don't reach.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { loadRepository } from '../../../tests/support/fetch-server.ts'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { gitPackSet } from '../../../tests/support/git-pack.ts'
import { concatBytes, fromHex, hex, latin1 } from '../../base/index.ts'
import { Kind } from '../format/object-id.ts'
import { ObjectCache, ObjectReader } from '../odb/index.ts'
import { buildHistory } from './build-history.ts'
import { Mark } from './commit-walk.ts'
import { planPack } from './fetch.ts'
import { closePacks } from './pack-closure.ts'
import { assertReachable, reachedObjects } from './reach.ts'
import { openFetchRepository, type PacedRepository, paced } from './repository.ts'
import { type PackRequest, selectObjects } from './selection.ts'

const folder = new TempFolder('selection')
const git = new Git(folder)
const commits: number[] = []
let repository: PacedRepository
/** The same without a history table, with a table of all packs, and with one of the first two. */
const ways = new Map<string, PacedRepository>()

/** A history with merges, several roots, clocks that went wrong, files that become folders and back. */
function history(): string {
  let seed = 7
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return (seed >>> 8) % below
  }
  const out: string[] = []
  for (let n = 1; n <= 120; n++) {
    const root = n < 3 || random(40) === 0
    const time = 1700000000 + n * 10 + (random(12) === 0 ? random(2000) - 1000 : 0)
    out.push(`commit refs/heads/c${n}\nmark :${n}\ncommitter T <t@example.com> ${time} +0000\ndata 1\nx\n`)
    if (!root) out.push(`from :${n - 1 - random(Math.min(n - 1, 6))}\n`)
    if (!root && random(3) === 0) out.push(`merge :${1 + random(n - 1)}\n`)
    const path = ['a', 'b/c', 'b/d', 'e/f/g', 'h', 'h/i'][random(6)] as string
    const text = `${path} ${random(30)}\n`.repeat(random(30))
    out.push(random(9) === 0 ? `D ${path}\n` : `M 100${random(2) ? '644' : '755'} inline ${path}\ndata ${text.length}\n${text}\n`)
  }
  return `${out.join('')}done\n`
}

before(async () => {
  const work = folder.join('work.git')
  const bare = folder.join('bare.git')
  await git.run(['init', '-q', '--bare', work])
  await git.run(['fast-import', '--quiet', '--done'], { cwd: work, input: history() })
  await git.run(['init', '-q', '--bare', bare])
  await git.run(['config', 'receive.unpackLimit', '1'], { cwd: bare })
  for (const last of [30, 60, 90, 119, 120]) {
    await git.run(['push', '-q', bare, ...Array.from({ length: last }, (_, i) => `refs/heads/c${i + 1}`)], { cwd: work })
  }
  const served = await loadRepository(bare)
  repository = paced(served.repository)
  const { set, objects } = repository
  const table = await buildHistory(paced(openFetchRepository(set, objects)))
  const older = gitPackSet(
    set.packs.slice(0, 2).map(({ index, read }) => ({ index, bytes: read(0, index.packBytes) as Uint8Array })),
    'sha1',
  )
  const part = await buildHistory(paced(openFetchRepository(older, new ObjectReader(older, new ObjectCache(1 << 20)))))
  ways.set('by walks', { ...repository, exact: false })
  ways.set('all commits parsed', paced(openFetchRepository(set, objects)))
  ways.set('by the table', paced(openFetchRepository(set, objects, table)))
  ways.set('by a table of older packs', paced(openFetchRepository(set, objects, part)))
  ways.set(
    'by a table that was extended',
    paced(openFetchRepository(set, objects, await buildHistory(paced(openFetchRepository(set, objects, part))))),
  )
  for (const ref of served.refs.refs) commits.push(repository.set.find(fromHex(ref.oid), 0))
})

after(() => folder.remove())

/** Objects reached from the commits; the parents of grafted ones are left out. */
async function closure(starts: readonly number[], grafts: ReadonlySet<number>): Promise<Set<number>> {
  const { objects, set } = repository
  const seen = new Set(starts)
  for (const number of seen) {
    if (set.kind(number) === Kind.blob) continue
    const bytes = await objects.read(number)
    const ids: string[] = []
    if (set.kind(number) === Kind.commit) {
      for (const [, word, id] of latin1(bytes).matchAll(/^(tree|parent) ([0-9a-f]{40})$/gm)) {
        if (word === 'tree' || !grafts.has(number)) ids.push(id as string)
      }
    } else {
      for (let at = 0; at < bytes.length; at = bytes.indexOf(0, at) + 21)
        ids.push(hex(bytes.subarray(bytes.indexOf(0, at) + 1, bytes.indexOf(0, at) + 21)))
    }
    for (const id of ids) seen.add(set.find(fromHex(id), 0))
  }
  return seen
}

const ask: PackRequest = { wants: [], haves: [], grafts: [], filter: null, thinPack: true, ofsDelta: true, tags: [] }
const some = (max: number) => fc.array(fc.nat(119), { maxLength: max }).map((places) => places.map((place) => commits[place] as number))

test('for any wants, haves and cuts: all that the client lacks, nothing that the wants do not reach', async () => {
  assert.ok((ways.get('by the table')?.history.commits.length ?? 0) > 100)
  assert.ok((ways.get('by a table of older packs')?.history.commits.length ?? 0) > 20)
  await fc.assert(
    fc.asyncProperty(some(4), some(4), fc.oneof(fc.constant([]), some(6)), async (wants, haves, grafts) => {
      const cut = new Set(grafts)
      const wanted = await closure(wants, cut)
      const held = await closure(haves, cut)
      for (const [way, served] of ways) {
        const { marks } = await selectObjects(served, { ...ask, wants, haves, grafts })
        for (let number = 0; number < marks.length; number++) {
          const mark = marks[number] as number
          const sent = (mark & Mark.send) !== 0
          if (sent) assert.ok(wanted.has(number), `${way}: sent, but not reached from the wants`)
          else assert.ok(!wanted.has(number) || held.has(number), `${way}: neither sent nor held`)
          if (mark & Mark.client) assert.ok(held.has(number), `${way}: counted on, but not held`)
          if (!served.exact || haves.length + grafts.length === 0) continue
          assert.equal(sent, wanted.has(number) && !held.has(number), `${way}: exact`)
          assert.equal((mark & Mark.client) !== 0, held.has(number), `${way}: all that the client has`)
        }
      }
    }),
    { numRuns: 200 },
  )
})

test('a want is reached from the tips or not, and so is what a client claims to have: the same in every way', async () => {
  const tips = [commits[20], commits[75]] as number[]
  const reached = await closure(tips, new Set())
  const ids = concatBytes(tips.map((tip) => repository.set.oid(tip)))
  const all = Array.from({ length: repository.set.size }, (_, number) => number).filter(
    (n) => repository.set.find(repository.set.oid(n), 0) === n,
  )
  for (const [way, served] of ways) {
    const told = await reachedObjects(served, ids, all)
    for (const number of all) {
      if (served.exact) assert.equal(told.has(number), reached.has(number), way)
      else if (told.has(number)) assert.ok(reached.has(number), way)
    }
    await assertReachable(served, ids, [...reached])
    for (const number of all.filter((n) => !reached.has(n)).slice(0, 40)) {
      await assert.rejects(assertReachable(served, ids, [number]), /not our ref/)
    }
  }
})

test('whole packs are taken where the tips reach them, without a walk', async () => {
  const { taken, rest } = await closePacks(repository.set, commits, repository.pace)
  assert.equal(taken.length, repository.set.packs.length)
  assert.deepEqual(rest, [])
  const appended = repository.set.packs.flatMap(({ index }) => Array.from({ length: index.count }, (_, i) => index.isAppended(i)))
  assert.ok(appended.includes(true), 'the packs were completed where they were thin')
  const plan = await planPack(repository, { ...ask, wants: commits })
  assert.equal(plan.objectCount, (await closure(commits, new Set())).size)
})
