// Externals that are left out of an index because others lead to them: which, and that no clone lacks anything for it.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { type GitPack, gitPackSet } from '../../tests/support/git-pack.ts'
import { git } from '../../tests/support/history.ts'
import { blob, type BuiltObject, commit, object, PackBuilder, tree } from '../../tests/support/pack-builder.ts'
import { temporaryFolder } from '../../tests/support/pack-indexing.ts'
import { SeededRandom } from '../../tests/support/random.ts'
import { storePack, storePacks } from '../../tests/support/stored-packs.ts'
import { fromHex, hex } from '../base/index.ts'
import { eachLink } from './import/links.ts'
import { hashBytes, Kind, type ObjectFormat } from './format/object-id.ts'
import { ObjectCache, ObjectReader, PackSet } from './odb/index.ts'
import { Mark } from './upload-pack/commit-walk.ts'
import { closePacks } from './upload-pack/pack-closure.ts'
import { openFetchRepository, paced } from './upload-pack/repository.ts'
import { selectObjects } from './upload-pack/selection.ts'

function open(packs: readonly GitPack[], format: ObjectFormat = 'sha1') {
  const set = gitPackSet(packs, format)
  return paced(openFetchRepository(set, new ObjectReader(set, new ObjectCache(1 << 20))))
}

function randomly(seed: number): (below: number) => number {
  const random = new SeededRandom(seed)
  return (below) => random.below(below)
}

function idsOf(packed: Uint8Array, format: ObjectFormat = 'sha1'): string[] {
  const h = hashBytes(format)
  return Array.from({ length: packed.length / h }, (_, i) => hex(packed.subarray(i * h, (i + 1) * h)))
}

/** Numbers that the objects reach, by a walk over all of them. */
async function closure(repository: ReturnType<typeof open>, starts: readonly number[]): Promise<Set<number>> {
  const { objects, set } = repository
  const seen = new Set(starts)
  for (const number of seen) {
    eachLink(set.kind(number), await objects.read(number), set.format, (ids, at) => seen.add(set.find(ids, at)))
  }
  return seen
}

const ask = { haves: [], grafts: [], filter: null, thinPack: false, ofsDelta: true, tags: [] }

async function assertSent(repository: ReturnType<typeof open>, wants: readonly number[], what: string): Promise<void> {
  const expected = await closure(repository, wants)
  assert.ok(!expected.has(-1))
  const { marks } = await selectObjects(repository, { ...ask, wants })
  const sent = [...marks.keys()].filter((number) => ((marks[number] as number) & Mark.send) !== 0)
  assert.deepEqual(new Set(sent), expected, what)
}

const packOf = (...objects: readonly BuiltObject[]) => new PackBuilder().addAll(...objects).build()

test('what stood at the same path in a parent isn’t named; what came from elsewhere is', async () => {
  const files = Array.from({ length: 30 }, (_, i) => blob(`file ${i}\n`))
  const names = files.map(({ id }, i) => ['100644', String(i).padStart(2, '0'), id] as const)
  const inner = tree(...names)
  const other = tree(['100644', 'other', (files[3] as BuiltObject).id])
  const top = tree(['40000', 'folder', inner.id], ['40000', 'other', other.id])
  const old = commit(top.id)
  const side = blob('from another branch\n')
  const sideTree = tree(['100644', 'side', side.id])
  const sideTip = commit(sideTree.id)
  const changed = blob('changed\n')
  const inner2 = tree(['100644', '00', changed.id], ...names.slice(1), ['100644', 'side', side.id])
  const gitlink = tree(['40000', 'folder', inner2.id], ['160000', 'module', sideTip.id], ['40000', 'other', other.id])
  const next = commit(gitlink.id, [old.id])
  const stored = await storePacks([
    packOf(old, top, inner, other, ...files, sideTip, sideTree, side),
    packOf(next, gitlink, inner2, changed),
  ])
  const index = (stored[1] as GitPack).index
  assert.ok(index.leavesOut)
  assert.deepEqual(idsOf(index.externals), [old.id, side.id].sort())
  assert.ok(!(stored[0] as GitPack).index.leavesOut)
})

test('a folder that is put back as it was, and sent again: two packs that each leave out what the other shows lose nothing', async () => {
  const [same, first, changed] = [blob('the same all the time\n'), blob('first\n'), blob('changed\n')]
  const folder = (file: BuiltObject) => tree(['100644', 'file', file.id], ['100644', 'same', same.id])
  const top = (inner: BuiltObject) => tree(['40000', 'd', inner.id])
  const [d1, d2] = [folder(first), folder(changed)]
  const [t1, t2] = [top(d1), top(d2)]
  const start = commit(t1.id)
  const elsewhere = commit(t1.id, [], 'never fetched\n')
  const change = commit(t2.id, [start.id])
  const back = commit(t1.id, [change.id], 'put back\n')
  const packs = await storePacks([
    packOf(start, elsewhere, t1, d1, first, same),
    packOf(change, t2, d2, changed),
    // a client that compares with the last commit alone sends the old folder once more
    packOf(back, t1, d1, first),
  ])
  assert.deepEqual(idsOf((packs[1] as GitPack).index.externals), [start.id])
  assert.deepEqual(idsOf((packs[2] as GitPack).index.externals), [change.id])
  const repository = open(packs)
  const tip = repository.set.find(fromHex(back.id), 0)
  await assertSent({ ...repository, exact: false }, [tip], 'the tip')
  const { taken } = await closePacks(repository.set, [tip], repository.pace)
  assert.deepEqual(taken, [], 'the oldest pack has something that nobody wants')
  const both = await closePacks(repository.set, [tip, repository.set.find(fromHex(elsewhere.id), 0)], repository.pace)
  assert.deepEqual([both.taken.length, both.rest], [3, []], 'all wanted: whole packs are enough')
})

for (const format of ['sha1', 'sha256'] as const) {
  describe(`pushes as clients make them, with folders that come and go, ${format}`, () => {
    const commits = 90
    let tips: string[]
    let packs: GitPack[]
    before(async () => {
      const folder = temporaryFolder()
      git(folder, ['init', '-q', '--bare', `--object-format=${format}`, '.'])
      const random = randomly(5)
      git(folder, ['fast-import', '--quiet', '--done'], madeHistory(commits, random))
      tips = Array.from({ length: commits }, (_, i) =>
        git(folder, ['rev-parse', `refs/heads/c${i}`])
          .toString()
          .trim(),
      )
      packs = []
      for (let from = 0; from < commits; ) {
        const to = Math.min(commits, from + 1 + random(4))
        const wanted = tips.slice(from, to)
        // a client knows of some of what is stored
        const known = tips.slice(0, from).filter(() => random(3) > 0)
        const revisions = [...wanted, ...known.map((oid) => `^${oid}`)].join('\n')
        const pack = git(folder, ['pack-objects', '-q', '--revs', '--thin', '--stdout', '--delta-base-offset'], `${revisions}\n`)
        packs.push(await storePack(pack, gitPackSet(packs, format)))
        from = to
      }
    })

    test('name few externals', () => {
      const leaving = packs.filter(({ index }) => index.leavesOut)
      assert.ok(leaving.length > packs.length / 2, `${leaving.length} of ${packs.length}`)
      const named = leaving.reduce((sum, { index }) => sum + idsOf(index.externals, format).length, 0)
      assert.ok(named < leaving.length * 6, `${named} in ${leaving.length} packs`)
    })

    test('are cloned whole, whatever is wanted, by packs and by walks', async () => {
      const random = randomly(6)
      const repository = open(packs, format)
      let whole = 0
      for (let run = 0; run < 150; run++) {
        const some = run === 0 ? tips : tips.filter(() => random(run % 40) === 0)
        const wants = some.map((oid) => repository.set.find(fromHex(oid), 0))
        whole += (await closePacks(repository.set, wants, repository.pace)).taken.length > 0 ? 1 : 0
        await assertSent({ ...repository, exact: false }, wants, `wants ${some.join(' ')}`)
      }
      assert.ok(whole > 3, 'some were planned by packs')
    })

    test('name enough: what is left out is reached from what is named', async () => {
      const repository = open(packs, format)
      const { set } = repository
      for (const { index } of packs) {
        if (!index.leavesOut) continue
        const reached = await closure(
          repository,
          idsOf(index.externals, format).map((oid) => set.find(fromHex(oid), 0)),
        )
        for (let position = 0; position < index.count; position++) {
          if (index.kind(position) === Kind.blob || index.isAppended(position)) continue
          const bytes = await repository.objects.read(set.find(index.oid(position), 0))
          eachLink(index.kind(position), bytes, format, (ids, at) => {
            assert.ok(index.find(ids, at) >= 0 || reached.has(set.find(ids, at)))
          })
        }
      }
    })
  })
}

/** Branches c0, c1 …: each on an earlier one or two, with a file changed, or a folder put back as it was in some commit before. */
function madeHistory(commits: number, random: (below: number) => number): string {
  const out: string[] = []
  for (let i = 0; i < commits; i++) {
    out.push(`commit refs/heads/c${i}\nmark :${i + 1}\ncommitter A <a@example.com> ${1700000000 + i * 60} +0000\ndata 1\nx\n`)
    if (i > 0) out.push(`from :${Math.max(1, i - random(4))}\n`)
    if (i > 5 && random(4) === 0) out.push(`merge :${1 + random(i)}\n`)
    for (const path of ['d/a', 'd/e/f', 'g/h']) {
      if (i === 0 || random(3) === 0) {
        const text = `${path} ${random(3)}\n`
        out.push(`M 100644 inline ${path}/${random(4)}\ndata ${text.length}\n${text}\n`)
      }
    }
    const constant = `the same in all, ${i % 7}\n`
    if (i < 7) out.push(`M 100644 inline d/same${i}\ndata ${constant.length}\n${constant}\n`)
  }
  return `${out.join('')}done\n`
}

test('an empty set of packs has nothing to leave out', async () => {
  const { index } = await storePack(packOf(object('blob', 'alone')), PackSet.empty('sha1'))
  assert.deepEqual([index.leavesOut, index.externals.length], [false, 0])
})
