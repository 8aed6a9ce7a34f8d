// Thin packs: they stay as they came, resting on objects outside; what can't stay so is completed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex } from '../../base/index.ts'
import { allObjects, git, gitAccepts, makeHistory } from '../../../tests/support/history.ts'
import { blob, type BuiltObject, copyingDelta, PackBuilder } from '../../../tests/support/pack-builder.ts'
import { existing, existingAt, indexBytes, type Indexed, temporaryFolder, wideLimits } from '../../../tests/support/pack-indexing.ts'
import type { ExistingObjects } from './index-pack.ts'

const history = makeHistory(300)
const objects = allObjects(history)
const thin = git(history, ['pack-objects', '--revs', '--thin', '--stdout', '-q', '--delta-base-offset'], 'main\n^main~60\n')
const none = 0xffffffff

function ids(packed: Uint8Array): string[] {
  return Array.from({ length: packed.length / 20 }, (_, i) => hex(packed.subarray(i * 20, i * 20 + 20)))
}

/** For each object that the pack itself brought: kind, size, and what it rests on. */
function facts(indexed: Indexed): Map<string, string> {
  const own = ids(indexed.oids)
  const bases = [...own, ...ids(indexed.outsideBases)]
  const found = new Map<string, string>()
  for (const [i, id] of own.entries()) {
    const kind = indexed.kinds[i] as number
    const base = indexed.bases[i] as number
    if ((kind & 16) === 0) found.set(id, `${kind} ${indexed.sizes[i]} ${base === none ? '' : bases[base]}`)
  }
  return found
}

const appended = (indexed: Indexed) => ids(indexed.oids).filter((_, i) => ((indexed.kinds[i] as number) & 16) !== 0)

test('a thin pack stays as it came, and says what is what as the completed one does', async () => {
  const completed = await indexBytes(thin, { existing: existingAt(50, ...objects) })
  assert.ok(appended(completed).length > 5)
  for (const threads of [1, 2, 3]) {
    const options = { existing: existing(...objects), threads, sharedBytes: 0, inFile: threads > 1, pieceBytes: 10_000 }
    const indexed = await indexBytes(thin, options)
    assert.deepEqual(indexed.pack, new Uint8Array(thin))
    assert.equal(indexed.packBytes, thin.length)
    assert.equal(indexed.entryCount, indexed.objectCount)
    assert.deepEqual(ids(indexed.outsideBases), appended(completed))
    assert.deepEqual(facts(indexed), facts(completed))
    assert.deepEqual(indexed.sources, completed.sources)
    // an appended base is the pack's own; one that stays outside and is referred to is an external
    const outside = new Set(ids(indexed.outsideBases))
    assert.deepEqual(
      ids(indexed.externals).filter((id) => !outside.has(id)),
      ids(completed.externals).filter((id) => !outside.has(id)),
    )
  }
})

test('only bases at the end of long chains are appended', async () => {
  const all = await indexBytes(thin, { existing: existing(...objects) })
  const deep = new Set(ids(all.outsideBases).filter((_, i) => i % 3 === 0))
  const [shallow, far] = [existingAt(49, ...objects), existingAt(50, ...objects)]
  const mixed: ExistingObjects = { kinds: (oids) => far.kinds(oids), read: (oid) => (deep.has(hex(oid)) ? far : shallow).read(oid) }
  for (const threads of [1, 2]) {
    const indexed = await indexBytes(thin, { existing: mixed, threads, sharedBytes: 0, inFile: threads > 1 })
    assert.deepEqual(appended(indexed), [...deep])
    assert.deepEqual(
      ids(indexed.outsideBases),
      ids(all.outsideBases).filter((id) => !deep.has(id)),
    )
    assert.deepEqual(facts(indexed), facts(all))
    assert.equal(indexed.entryCount, indexed.objectCount)
    assert.equal(new DataView(indexed.pack.buffer).getUint32(8), indexed.objectCount)
  }
})

test('bases that there is no memory for are appended', async () => {
  const [small, large] = [blob('small '.repeat(100)), blob('large '.repeat(20_000))]
  const pack = new PackBuilder()
  for (const base of [large, small]) pack.addRefDelta(base.id, copyingDelta(base.bytes.length, 0, 300, 'x'))
  const limits = { ...wideLimits, memoryBytes: 2 ** 19 }
  const indexed = await indexBytes(pack.build(), { existing: existing(small, large), limits })
  assert.deepEqual(appended(indexed), [large.id])
  assert.deepEqual(ids(indexed.outsideBases), [small.id])
})

test('an object that comes again as a delta on what rests on it: the first rests on the old copy, so deltas lead in no circle', async () => {
  const old = blob('what both have in common '.repeat(8))
  const made = blob(`${old.bytes.toString()}and more`)
  const pack = new PackBuilder()
  pack.addRefDelta(old.id, copyingDelta(old.bytes.length, 0, old.bytes.length, 'and more'))
  pack.addRefDelta(made.id, copyingDelta(made.bytes.length, 0, old.bytes.length))
  await assert.rejects(indexBytes(pack.build()), /unresolved/)
  const indexed = await indexBytes(pack.build(), { existing: existing(old) })
  const own = ids(indexed.oids)
  assert.deepEqual(own, [old.id, made.id].sort())
  assert.deepEqual(ids(indexed.outsideBases), [old.id])
  assert.equal(indexed.bases[own.indexOf(made.id)], 2, 'on the copy outside')
  assert.equal(indexed.bases[own.indexOf(old.id)], own.indexOf(made.id))
})

/** A chain of deltas by name, the first on `old`, as clients that know no deltas by offset send it. */
function chainOn(old: BuiltObject, length: number): { readonly made: readonly BuiltObject[]; readonly pack: Uint8Array } {
  const pack = new PackBuilder()
  const made: BuiltObject[] = []
  for (let base = old; made.length < length; base = made.at(-1)!) {
    const text = `, and ${made.length}`
    made.push(blob(`${base.bytes.toString('latin1')}${text}`))
    pack.addRefDelta(base.id, copyingDelta(base.bytes.length, 0, base.bytes.length, text))
  }
  return { made, pack: pack.build() }
}

test('a base that the network holds at the end of a long chain, and that the pack brings as a delta, is the pack’s own', async () => {
  const old = blob('what is stored already '.repeat(8))
  const { made, pack } = chainOn(old, 6)
  for (const bytes of [made.slice(0, 1), made.slice(1, 4), made]) {
    const [shallow, deep, all] = [existing(old), existingAt(50, ...bytes), existing(old, ...bytes)]
    const mixed: ExistingObjects = { kinds: all.kinds, read: async (oid) => (await shallow.read(oid)) ?? deep.read(oid) }
    for (const inFile of [false, true]) {
      const indexed = await indexBytes(pack, { existing: mixed, inFile, threads: 2, sharedBytes: 0 })
      assert.deepEqual(indexed.pack, new Uint8Array(pack), 'nothing is appended')
      assert.equal(indexed.entryCount, 6)
      assert.deepEqual(ids(indexed.oids), made.map(({ id }) => id).sort())
      assert.deepEqual(ids(indexed.outsideBases), [old.id])
      const bases = [...ids(indexed.oids), old.id]
      for (const [i, { id }] of made.entries()) {
        assert.equal(bases[indexed.bases[bases.indexOf(id)] as number], i === 0 ? old.id : made[i - 1]?.id)
      }
    }
  }
})

test('of bases at the ends of long chains, those that the pack brings itself go, and the others stay appended', async () => {
  const [old, far, near] = ['one', 'two', 'three'].map((text) => blob(`${text} `.repeat(40))) as [BuiltObject, BuiltObject, BuiltObject]
  const { made } = chainOn(old, 3)
  const pack = new PackBuilder()
  const onto = (base: BuiltObject, text: string) => pack.addRefDelta(base.id, copyingDelta(base.bytes.length, 0, base.bytes.length, text))
  onto(far, 'x')
  for (const i of made.keys()) onto(made[i - 1] ?? old, `, and ${i}`)
  onto(near, 'y')
  const indexed = await indexBytes(pack.build(), { existing: existingAt(50, old, far, near, ...made), inFile: true })
  assert.deepEqual(appended(indexed).sort(), [old.id, far.id, near.id].sort())
  assert.equal(indexed.entryCount, indexed.objectCount)
  assert.equal(indexed.objectCount, 8)
  const folder = temporaryFolder()
  git(folder, ['init', '-q', '--bare', '.'])
  assert.ok(gitAccepts(folder, indexed.pack), 'what is stored is a whole pack, without a byte between its entries')
})

test('a pack whose deltas go round through a base at the end of a long chain holds that object twice, as for git', async () => {
  const old = blob('what both have in common '.repeat(8))
  const made = blob(`${old.bytes.toString()}and more`)
  const pack = new PackBuilder()
  pack.addRefDelta(old.id, copyingDelta(old.bytes.length, 0, old.bytes.length, 'and more'))
  pack.addRefDelta(made.id, copyingDelta(made.bytes.length, 0, old.bytes.length))
  const indexed = await indexBytes(pack.build(), { existing: existingAt(50, old) })
  assert.deepEqual([indexed.entryCount, indexed.objectCount], [3, 2])
})

test('a delta that does not fit the base outside is refused, as is one on a base that is nowhere', async () => {
  const base = blob('a base of so many bytes')
  const wrong = new PackBuilder()
  wrong.addRefDelta(base.id, copyingDelta(base.bytes.length + 1, 0, 4, 'x'))
  await assert.rejects(indexBytes(wrong.build(), { existing: existing(base) }), /its base has 23 bytes, not 24/)
  const nowhere = new PackBuilder()
  nowhere.addRefDelta(blob('not stored').id, copyingDelta(10, 0, 4, 'x'))
  await assert.rejects(indexBytes(nowhere.build(), { existing: existing(base) }), /unresolved delta/)
})
