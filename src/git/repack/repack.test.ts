// New packs out of stored ones, step by step in one thread: git accepts them, they hold what they must, and deltas keep to their limits.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { CorruptError, concatBytes, hex } from '../../base/index.ts'
import { type GitPack, gitPackSet, loadGitPack } from '../../../tests/support/git-pack.ts'
import { git, gitAccepts, makeHistory } from '../../../tests/support/history.ts'
import { blob, type BuiltObject, commit, PackBuilder, tree } from '../../../tests/support/pack-builder.ts'
import { storePack, storePacks } from '../../../tests/support/stored-packs.ts'
import { Kind, type ObjectFormat } from '../format/object-id.ts'
import { Inflater, ObjectCache, ObjectReader, type PackSet } from '../odb/index.ts'
import { buildHistory } from '../upload-pack/build-history.ts'
import { openFetchRepository, paced, type PacedRepository } from '../upload-pack/repository.ts'
import { assertHolds } from './check-job.ts'
import { DeltaWindow } from './delta-window.ts'
import { nameHash } from './object-paths.ts'
import { makePlan, planSecond, type RepackPlan } from './plan-job.ts'
import { Control, Scratch, search } from './search-job.ts'
import { Keep } from './tables.ts'
import { byVersions } from './version-order.ts'
import { packBytes } from './write-job.ts'

const folder = mkdtempSync(join(tmpdir(), 'stemma-repack-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let names = 0

interface Given {
  readonly window?: number
  readonly depth?: number
  readonly reuse?: number | null
  readonly from?: number
  readonly keep?: Uint8Array | null
  readonly memoryBytes?: number
  readonly largestBytes?: number
  readonly withTable?: boolean
}

interface Repacked {
  readonly plan: RepackPlan
  readonly pack: Uint8Array
}

async function openWithTable(set: PackSet, withTable: boolean): Promise<PacedRepository> {
  const objects = new ObjectReader(set, new ObjectCache(1 << 20), new Inflater())
  const repository = paced(openFetchRepository(set, objects))
  return withTable ? paced(openFetchRepository(set, objects, await buildHistory(repository))) : repository
}

async function repack(set: PackSet, given: Given = {}): Promise<Repacked> {
  const {
    window = 10,
    depth = 50,
    reuse = null,
    from = 0,
    keep = null,
    memoryBytes = 8 << 20,
    largestBytes = 1 << 19,
    withTable = true,
  } = given
  const repository = await openWithTable(set, withTable)
  const plan = await makePlan(repository, { keep, reuse, from, depth, largestBytes })
  const bases = new DeltaWindow({ window, depth, memoryBytes }, set.format === 'sha1' ? 20 : 32, (number) =>
    repository.objects.read(number),
  )
  const scratchPaths = [1, 2].map(() => join(folder, `scratch-${names++}`))
  const run = async (file: number, what: Pick<Parameters<typeof search>[0], 'order' | 'height' | 'isLast'>) => {
    const scratch = new Scratch(scratchPaths[file - 1] as string)
    const control = new Int32Array(new SharedArrayBuffer(Control.words * 4))
    await search({ tables: plan.tables, control, file, reuse, ...what }, set, bases, scratch, repository.pace)
    scratch.flush()
    scratch.close()
    assert.equal(control[Control.done], what.order.numbers.length)
  }
  await run(1, { ...plan, isLast: false })
  await run(2, { ...planSecond(set, plan.tables), isLast: true })
  const pieces: Uint8Array[] = []
  for await (const piece of packBytes(repository, { ...plan, scratchPaths })) pieces.push(piece)
  return { plan, pack: concatBytes(pieces) }
}

/** What git finds in the pack, when it takes it: `commit|tree|blob|tag id`, and the longest chain. */
async function accepted(pack: Uint8Array, format: ObjectFormat): Promise<{ ids: string[]; depth: number; packed: GitPack }> {
  const path = mkdtempSync(join(folder, 'git-'))
  git(path, ['init', '-q', '--bare', `--object-format=${format}`, '.'])
  assert.ok(gitAccepts(path, pack), 'git refuses the pack')
  const lines = git(path, ['cat-file', '--batch-all-objects', '--batch-check=%(objecttype) %(objectname)']).toString().trim().split('\n')
  const name = execFileSync('sh', ['-c', `ls ${path}/objects/pack/*.pack`])
    .toString()
    .trim()
    .replace(/\.pack$/, '')
  const packed = await loadGitPack(name, format)
  const depthOf = (position: number): number => (packed.index.base(position) < 0 ? 0 : depthOf(packed.index.base(position)) + 1)
  const depth = Math.max(...Array.from({ length: packed.index.count }, (_, position) => depthOf(position)))
  return { ids: lines.sort(), depth, packed }
}

/** The repository's objects as packs: all in one, or cut in parts that overlap, one of them made of deltas on another's objects. */
async function packsOf(repository: string, format: ObjectFormat, revisions: readonly (readonly string[])[]): Promise<GitPack[]> {
  const refs = git(repository, ['for-each-ref', '--format=%(refname)']).toString().trim()
  return await Promise.all(
    revisions.map(async (given) => {
      const lines = given.map((line) => (line === '--all' ? refs : line))
      const base = join(folder, `pack-${names++}`)
      const id = git(repository, ['pack-objects', '-q', '--revs', base], lines.join('\n')).toString().trim()
      return await loadGitPack(`${base}-${id}`, format)
    }),
  )
}

/** One pack for each step towards main, each with whole objects. */
function pushes(repository: string, backs: readonly number[]): Uint8Array[] {
  git(repository, ['config', 'pack.window', '0'])
  return backs.map((back, i) => {
    const revisions = i === 0 ? [`main~${back}`] : [`main~${back}`, `^main~${backs[i - 1]}`]
    return git(repository, ['pack-objects', '-q', '--revs', '--stdout'], revisions.join('\n'))
  })
}

async function contents(set: PackSet): Promise<string[]> {
  const reader = new ObjectReader(set, new ObjectCache(1 << 20))
  const found: string[] = []
  for (let number = 0; number < set.size; number++) {
    const line = `${hex(set.oid(number))} ${Buffer.from(await reader.read(number)).toString('base64')}`
    if (set.find(set.oid(number), 0) === number) found.push(line)
  }
  return found.sort()
}

/** What the repository's refs reach, or those revisions. */
function allIds(repository: string, ...revisions: readonly string[]): string[] {
  const ids = git(repository, ['rev-list', '--objects', '--no-object-names', ...(revisions.length > 0 ? revisions : ['--all'])])
  return git(repository, ['cat-file', '--batch-check=%(objecttype) %(objectname)'], ids).toString().trim().split('\n').sort()
}

for (const format of ['sha1', 'sha256'] as const) {
  test(`one pack of several, in ${format}: the same objects, each once, smaller than git's`, async () => {
    const repository = makeHistory(300, format)
    const packs = await packsOf(repository, format, [['main~200'], ['main', '^main~220'], ['--all', '^main~30']])
    const set = gitPackSet(packs, format)
    const { plan, pack } = await repack(set)
    const { ids, depth, packed } = await accepted(pack, format)
    assert.deepEqual(ids, allIds(repository))
    assert.equal(plan.objectCount, ids.length)
    assert.ok(set.size > ids.length, 'the packs overlap')
    assert.ok(depth <= 50)
    await assertHolds(packed.index, set, plan, paced(openFetchRepository(set, new ObjectReader(set, new ObjectCache(0)))).pace)
    const gits = git(repository, ['pack-objects', '-q', '--all', '--stdout', '--no-reuse-delta', '--window=10', '--threads=1'], '')
    assert.ok(pack.length < gits.length, `${pack.length} bytes; git's has ${gits.length}`)
  })
}

test('commits come first, the newest ahead, then tags, trees, and blobs; bases stand before their deltas', async () => {
  const repository = makeHistory(120)
  const set = gitPackSet(await packsOf(repository, 'sha1', [['--all']]), 'sha1')
  const { packed } = await accepted((await repack(set)).pack, 'sha1')
  const { index } = packed
  const order = [...index.order()]
  const kinds = order.map((position) => index.kind(position))
  assert.deepEqual([...new Set(kinds)], [Kind.commit, Kind.tag, Kind.tree, Kind.blob])
  assert.equal(kinds.findLastIndex((kind) => kind === Kind.commit) + 1, kinds.filter((kind) => kind === Kind.commit).length)
  for (const position of order) if (index.base(position) >= 0) assert.ok(index.offset(index.base(position)) < index.offset(position))
  const tip = git(repository, ['rev-parse', 'main']).toString().trim()
  assert.ok(order.slice(0, 3).some((position) => hex(index.oid(position)) === tip))
})

test('depth and window are kept to', async () => {
  const set = gitPackSet(await packsOf(makeHistory(200), 'sha1', [['--all']]), 'sha1')
  const sizes: number[] = []
  for (const [window, depth] of [
    [2, 1],
    [4, 5],
    [10, 50],
  ] as const) {
    const { pack } = await repack(set, { window, depth })
    const found = await accepted(pack, 'sha1')
    assert.ok(found.depth <= depth, `${found.depth} deltas one on the other, of ${depth}`)
    sizes.push(pack.length)
  }
  assert.deepEqual(
    sizes,
    sizes.toSorted((a, b) => b - a),
  )
})

test('without a history table, and with hardly any memory, it comes to the same objects', async () => {
  const repository = makeHistory(80)
  const set = gitPackSet(await packsOf(repository, 'sha1', [['--all']]), 'sha1')
  for (const given of [{ withTable: false }, { memoryBytes: 1 << 18, largestBytes: 2000 }, { largestBytes: 0 }]) {
    assert.deepEqual((await accepted((await repack(set, given)).pack, 'sha1')).ids, allIds(repository))
  }
})

test('stored deltas are taken over where that is asked for, and never in a circle', async () => {
  const repository = makeHistory(150)
  // two packs of the same objects: what is a delta in one is another one's base in the other
  const [first] = await packsOf(repository, 'sha1', [['--all']])
  git(repository, ['repack', '-adfq', '--window=3', '--depth=4'])
  const [second] = await packsOf(repository, 'sha1', [['--all']])
  const set = gitPackSet([first as GitPack, second as GitPack], 'sha1')
  const { plan, pack } = await repack(set, { largestBytes: 0 })
  assert.deepEqual((await accepted(pack, 'sha1')).ids, allIds(repository))
  const taken = plan.tables.base.filter((base, number) => base >= 0 && plan.tables.file[number] === 0)
  assert.ok(taken.length > 100, `${taken.length} deltas were taken over`)
  for (const reuse of [0, 1]) {
    const shallow = await repack(set, { reuse, depth: 2 })
    const { depth, ids } = await accepted(shallow.pack, 'sha1')
    assert.ok(depth <= 2)
    assert.deepEqual(ids, allIds(repository))
  }
})

test('what came since a full pack is searched beside it, again and again: hardly larger than all searched anew', async () => {
  const repository = makeHistory(400)
  const tips = [300, 250, 200, 150, 100, 50, 0].map((back) =>
    git(repository, ['rev-parse', `main~${back}`])
      .toString()
      .trim(),
  )
  let [full] = (await packsOf(repository, 'sha1', [[tips[0] as string]])) as [GitPack]
  for (const [i, tip] of tips.slice(1).entries()) {
    git(repository, ['config', 'pack.window', '0']) // pushed as whole objects
    const set = gitPackSet([full, ...(await packsOf(repository, 'sha1', [[tip, `^${tips[i]}`]]))], 'sha1')
    git(repository, ['config', '--unset', 'pack.window'])
    const { plan, pack } = await repack(set, { reuse: 0 })
    const { ids, depth, packed } = await accepted(pack, 'sha1')
    assert.deepEqual(ids, allIds(repository, tip))
    assert.ok(depth <= 50, `${depth} deltas one on the other`)
    const positions = Array.from({ length: full.index.count }, (_, position) => position)
    const stayed = positions.filter((position) => full.index.base(position) >= 0 && plan.tables.file[position] === 0)
    assert.equal(stayed.length, positions.filter((position) => full.index.base(position) >= 0).length, 'deltas of the full pack stay')
    full = packed
  }
  const anew = await repack(gitPackSet([full], 'sha1'))
  assert.ok(full.bytes.length < anew.pack.length * 1.06, `${full.bytes.length} bytes, and ${anew.pack.length} searched anew`)
})

test('a merge that searches rests on what older packs hold, leaves that where it is, and is much smaller than what was pushed', async () => {
  const repository = makeHistory(300)
  const packs = await storePacks(pushes(repository, [200, 150, 100, 50, 0]))
  const bytes = (some: readonly GitPack[]) => some.reduce((sum, pack) => sum + pack.bytes.length, 0)
  let stored = packs
  for (const from of [3, 1, 0]) {
    const set = gitPackSet(stored, 'sha1')
    const { plan, pack } = await repack(set, { from })
    const older = stored.slice(0, from)
    const merged = await storePack(pack, gitPackSet(older, 'sha1'))
    const { pace } = await openWithTable(set, false)
    await assertHolds(merged.index, set, plan, pace)
    assert.equal(merged.index.count, plan.objectCount)
    assert.equal(merged.index.outsideCount > 0, from > 0)
    stored = [...older, merged]
    const after = gitPackSet(stored, 'sha1')
    assert.deepEqual(await contents(after), await contents(gitPackSet(packs, 'sha1')))
    for (let number = 0; number < after.size; number++) assert.ok(after.depth(number, 1000) <= 50)
  }
  assert.ok(bytes(stored) < bytes(packs) / 2, `${bytes(stored)} bytes of ${bytes(packs)}`)
})

test('what is not to be kept is left out', async () => {
  const repository = makeHistory(60)
  const set = gitPackSet(await packsOf(repository, 'sha1', [['--all']]), 'sha1')
  const kept = new Set(git(repository, ['rev-list', '--objects', '--no-object-names', 'main~20']).toString().trim().split('\n'))
  const keep = Uint8Array.from({ length: set.size }, (_, number) => (kept.has(hex(set.oid(number))) ? 1 : 0))
  const { plan, pack } = await repack(set, { keep })
  const { ids, packed } = await accepted(pack, 'sha1')
  assert.deepEqual(new Set(ids.map((line) => line.split(' ')[1])), kept)
  // the check tells a pack that lacks something from one that doesn't
  const { pace } = await openWithTable(set, false)
  await assertHolds(packed.index, set, plan, pace)
  const one = plan.tables.kept.indexOf(Keep.no)
  plan.tables.kept[one] = Keep.search
  await assert.rejects(assertHolds(packed.index, set, { ...plan, objectCount: plan.objectCount }, pace), CorruptError)
  await assert.rejects(assertHolds(packed.index, set, { ...plan, objectCount: plan.objectCount + 1 }, pace), CorruptError)
})

test('folders in folders, thousands deep and with long names, whose paths are gigabytes: the plan has room', async () => {
  const objects: BuiltObject[] = [blob('x')]
  const add = (built: BuiltObject) => {
    objects.push(built)
    return built.id
  }
  let inner = add(tree(['100644', 'file', objects[0]?.id as string]))
  for (let i = 0; i < 8000; i++) inner = add(tree(['40000', 'n'.repeat(200), inner], ['100644', 'z', objects[0]?.id as string]))
  add(commit(inner))
  const stored = await storePack(new PackBuilder().addAll(...objects).build(), gitPackSet([], 'sha1'))
  const { plan } = await repack(gitPackSet([stored], 'sha1'))
  assert.equal(plan.objectCount, objects.length)
})

test('one version that was replaced a million times, each time by another branch', () => {
  const older = new Int32Array(1_000_000)
  older[0] = -1
  const sequence = byVersions(older, new Int32Array(older.length).fill(1).fill(0, 0, 1))
  assert.equal(sequence.at(-1), 0)
  assert.equal(new Set(sequence).size, older.length)
})

test('names that end alike are near each other', () => {
  const hashes = ['/src/a.c', '/lib/a.c', '/src/b.c', '/readme.md'].map(nameHash)
  const [a = 0, alike = 0, other = 0, far = 0] = hashes
  assert.ok(Math.abs(a - alike) < Math.abs(a - other) && Math.abs(a - other) < Math.abs(a - far))
})
