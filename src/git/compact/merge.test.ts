// Merges of packs as pushes leave them, step by step in one thread: the same objects, each once, deltas as they were; copies, circles and long chains.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type GitPack, gitPackSet } from '../../../tests/support/git-pack.ts'
import { pushedPacks } from '../../../tests/support/history.ts'
import { blob, type BuiltObject, copyingDelta, PackBuilder } from '../../../tests/support/pack-builder.ts'
import { storePack, storePacks } from '../../../tests/support/stored-packs.ts'
import { concatBytes, CorruptError, equalBytes, fromHex, hex } from '../../base/index.ts'
import { Deflater, ObjectCache, ObjectReader, type PackSet } from '../odb/index.ts'
import { Pace } from '../upload-pack/pace.ts'
import { mergedBytes } from './merge-job.ts'
import { deepestDelta, planMerge } from './merge-plan.ts'

/** The packs with those from `from` to `until` as one, stored as the server does. */
async function merged(packs: readonly GitPack[], from: number, until: number, format: 'sha1' | 'sha256' = 'sha1'): Promise<GitPack[]> {
  const set = gitPackSet(packs, format)
  const pace = new Pace()
  const source = { set, objects: new ObjectReader(set, new ObjectCache(1 << 20)), deflater: new Deflater(), pace }
  const pieces: Uint8Array[] = []
  for await (const piece of mergedBytes(source, await planMerge(set, from, until, pace))) pieces.push(piece)
  return [...packs.slice(0, from), await storePack(concatBytes(pieces), set), ...packs.slice(until)]
}

async function contents(set: PackSet): Promise<Map<string, string>> {
  const reader = new ObjectReader(set, new ObjectCache(1 << 20))
  const found = new Map<string, string>()
  for (let number = 0; number < set.size; number++) {
    found.set(hex(set.oid(number)), `${set.kind(number)} ${Buffer.from(await reader.read(number)).toString('base64')}`)
  }
  return found
}

async function assertSame(packs: readonly GitPack[], others: readonly GitPack[], format: 'sha1' | 'sha256' = 'sha1'): Promise<void> {
  assert.deepEqual(await contents(gitPackSet(others, format)), await contents(gitPackSet(packs, format)))
}

for (const format of ['sha1', 'sha256'] as const) {
  describe(`pushes that become one pack, ${format}`, () => {
    test('are the same objects, each once, and no larger; also when they are merged in several steps', async () => {
      const packs = await storePacks(pushedPacks(format, 70, 1000), format)
      const bytes = (some: readonly GitPack[]) => some.reduce((sum, pack) => sum + pack.bytes.length, 0)
      const whole = await merged(packs, 0, 70, format)
      assert.equal(whole.length, 1)
      assert.equal(whole[0]?.index.outsideCount, 0)
      assert.equal(whole[0]?.index.count, (await contents(gitPackSet(packs, format))).size)
      assert.ok(bytes(whole) <= bytes(packs))
      await assertSame(packs, whole, format)
      const middle = await merged(packs, 20, 50, format)
      assert.ok((middle[20]?.index.outsideCount ?? 0) > 0, 'deltas on older packs stay deltas')
      await assertSame(packs, middle, format)
      const again = await merged(await merged(middle, 10, 31, format), 1, 12, format)
      assert.equal(again.length, 11)
      await assertSame(packs, again, format)
    })
  })
}

const texts = (n: number) => blob(`${'a text that stays\n'.repeat(30)}${n}\n`)
const deltaOn = (base: BuiltObject, result: BuiltObject) => {
  let same = 0
  while (base.bytes[same] === result.bytes[same] && same < base.bytes.length) same++
  return copyingDelta(base.bytes.length, 0, same, Buffer.from(result.bytes.subarray(same)).toString())
}

/** A pack of these whole objects and of deltas, each on another object. */
function packOf({ whole = [] }: { readonly whole?: readonly BuiltObject[] }, ...deltas: readonly [BuiltObject, BuiltObject][]): Uint8Array {
  const pack = new PackBuilder()
  const at = new Map(whole.map((one) => [one.id, pack.add(one)]))
  for (const [base, result] of deltas) {
    const offset = at.get(base.id)
    const bytes = deltaOn(base, result)
    at.set(result.id, offset === undefined ? pack.addRefDelta(base.id, bytes) : pack.addOfsDelta(offset, bytes))
  }
  return pack.build()
}

test('two packs that hold A on B and B on A become one without a circle', async () => {
  const [a, b] = [texts(1), texts(2)]
  const packs = await storePacks([new PackBuilder().addAll(a).build(), packOf({}, [a, b]), packOf({}, [b, a])])
  for (const [from, until] of [
    [0, 3],
    [1, 3],
    [0, 2],
  ] as const) {
    await assertSame(packs, await merged(packs, from, until))
  }
})

test('what an older pack holds goes, and what rested on that copy rests on the older one', async () => {
  const [a, b, c] = [texts(1), texts(2), texts(3)]
  const packs = await storePacks([new PackBuilder().addAll(a).build(), new PackBuilder().addAll(c).build(), packOf({ whole: [a] }, [a, b])])
  const after = await merged(packs, 1, 3)
  assert.equal(after[1]?.index.count, 2)
  assert.ok((after[1] as GitPack).index.find(fromHex(a.id), 0) < 0)
  await assertSame(packs, after)
})

test('a damaged entry is our damage, and nobody else’s input', async () => {
  const packs = await storePacks([new PackBuilder().addAll(texts(1)).build(), new PackBuilder().addAll(texts(2)).build()])
  const { bytes, index } = packs[1] as GitPack
  const from = index.offset(0)
  // no type of entry; then a size without an end
  for (const damage of [[0x53], Array.from({ length: index.end(0) - from }, () => 0xff)]) {
    bytes.set(damage, from)
    await assert.rejects(merged(packs, 0, 2), (error) => error instanceof CorruptError && /wrong header/.test(error.message))
  }
})

test('chains end, whatever copies are pushed for bases', async () => {
  // each push brings its base along: a chain of one step, until the copies go
  const blobs = Array.from({ length: deepestDelta + 60 }, (_, n) => texts(n))
  const packs = await storePacks(
    blobs.map((result, n) => {
      const base = blobs[n - 1]
      if (!base) return new PackBuilder().addAll(result).build()
      const extra = blob(`extra ${n} ${'x'.repeat(300)}`)
      // the base comes as a delta on something that nobody has, so that no whole copy is there to be kept
      return packOf({ whole: [extra] }, [extra, base], [base, result])
    }),
  )
  const after = await merged(packs, 0, packs.length)
  const set = gitPackSet(after, 'sha1')
  const depths = Array.from({ length: set.size }, (_, number) => set.depth(number, 1000))
  assert.equal(Math.max(...depths), deepestDelta)
  await assertSame(packs, after)
  const last = blobs.at(-1) as BuiltObject
  const found = await new ObjectReader(set, new ObjectCache(0)).readById(fromHex(last.id))
  assert.ok(found && equalBytes(found.bytes, last.bytes))
})
