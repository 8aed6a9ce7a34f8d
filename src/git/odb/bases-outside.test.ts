// Deltas on objects of other packs (docs/design/pack-key.md, Bases outside): chains over many packs, long ones that are cut, copies of one
// object in several packs, and bases that are damaged or gone.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { type GitPack, gitPackSet } from '../../../tests/support/git-pack.ts'
import { pushedPacks } from '../../../tests/support/history.ts'
import { blob, copyingDelta, PackBuilder } from '../../../tests/support/pack-builder.ts'
import { storePack, storePacks } from '../../../tests/support/stored-packs.ts'
import { concatBytes, CorruptError, fromHex, hex } from '../../base/index.ts'
import { objectIdOf } from '../format/index.ts'
import { ObjectCache, ObjectReader, PackSet, tailBytes } from './index.ts'

const pushes = 70

for (const format of ['sha1', 'sha256'] as const) {
  describe(`pushes upon pushes, ${format}`, () => {
    let sent: Uint8Array[]
    let packs: GitPack[]
    before(async () => {
      sent = pushedPacks(format, pushes, 2000)
      packs = await storePacks(sent, format)
    })

    test('are stored as they were sent, but for every fiftieth or so, which brings its base', () => {
      const completed = packs.filter(({ bytes }, i) => bytes.length !== (sent[i] as Uint8Array).length)
      assert.ok(packs.filter(({ index }) => index.outsideCount > 0).length > pushes / 2)
      assert.ok(completed.length >= 1 && completed.length <= 3, `${completed.length} packs were completed`)
    })

    test('have chains that are cut', () => {
      const set = gitPackSet(packs, format)
      const depths = Array.from({ length: set.size }, (_, number) => set.depth(number, 100))
      assert.ok(Math.max(...depths) > 20, 'chains go through many packs')
      assert.ok(Math.max(...depths) <= 52, `a chain of ${Math.max(...depths)}`)
    })

    test('are read as git has them, whole and in pieces, near and far, whatever the cache holds', async () => {
      const near = gitPackSet(packs, format)
      const far = PackSet.empty(format).with(
        packs.map(({ index, bytes }, id) => {
          const read = async (offset: number, sizeBytes: number) => bytes.slice(offset, offset + sizeBytes)
          return { id, index, bytes: { ...tailBytes(bytes), read } }
        }),
      )
      for (const [set, cacheBytes] of [
        [near, 0],
        [near, 1 << 20],
        [far, 0],
      ] as const) {
        const reader = new ObjectReader(set, new ObjectCache(cacheBytes))
        for (let number = set.size - 1; number >= 0; number--) {
          const bytes = await reader.read(number)
          assert.equal(objectIdOf(set.kind(number), bytes, format), hex(set.oid(number)))
          if (number % 50 !== 0) continue
          const pieces: Uint8Array[] = []
          for await (const piece of reader.pieces(number)) pieces.push(piece)
          assert.deepEqual(concatBytes(pieces), new Uint8Array(bytes))
        }
      }
    })

    test('fail clearly when a pack is missing: no bytes are made up, nothing loops', async () => {
      const without = gitPackSet(packs.slice(1), format)
      const reader = new ObjectReader(without, new ObjectCache(0))
      let missing = 0
      for (let number = 0; number < without.size; number++) {
        try {
          const bytes = await reader.read(number)
          assert.equal(objectIdOf(without.kind(number), bytes, format), hex(without.oid(number)))
        } catch (error) {
          assert.ok(error instanceof CorruptError)
          assert.match(error.message, /rests on [0-9a-f]+, which no older pack of the network holds/)
          assert.throws(() => without.depth(number, 100), CorruptError)
          missing++
        }
      }
      assert.ok(missing > 20)
    })
  })
}

test('a byte of a base that was changed is never part of another pack’s object', async () => {
  const base = blob('some text that both have, and then more of it. '.repeat(3))
  const made = blob(`${base.bytes.toString()}!`)
  const [first, second] = await storePacks([
    new PackBuilder().addAll(base).build(),
    (() => {
      const pack = new PackBuilder()
      pack.addRefDelta(base.id, copyingDelta(base.bytes.length, 0, base.bytes.length, '!'))
      return pack.build()
    })(),
  ])
  assert.ok(first && second && second.index.outsideCount === 1)
  for (let at = first.index.offset(0); at < first.index.end(0); at++) {
    const bytes = first.bytes.slice()
    bytes[at] = (bytes[at] as number) ^ 0x24
    const set = gitPackSet([{ ...first, bytes }, second], 'sha1')
    const reader = new ObjectReader(set, new ObjectCache(0))
    const number = set.find(fromHex(made.id), 0)
    try {
      // the entry's kind, and bits that no inflater looks at, change nothing
      assert.equal(objectIdOf(3, await reader.read(number), 'sha1'), made.id)
    } catch (error) {
      assert.ok(error instanceof CorruptError, String(error))
    }
  }
})

test('of two packs whose copies rest on each other’s, each rests on an older copy', async () => {
  const text = 'a text that is long enough to be worth a delta '.repeat(4)
  const [a, b] = [blob(`${text}a`), blob(`${text}b`)]
  const onto = (base: typeof a, end: string) => {
    const pack = new PackBuilder()
    pack.addRefDelta(base.id, copyingDelta(base.bytes.length, 0, text.length, end))
    return pack.build()
  }
  const stored = await storePacks([new PackBuilder().addAll(b).build(), onto(b, 'a'), onto(a, 'b'), onto(b, 'a')])
  const set = gitPackSet(stored, 'sha1')
  assert.equal(set.size, 4)
  const reader = new ObjectReader(set, new ObjectCache(0))
  for (let number = 0; number < 4; number++) {
    assert.equal(objectIdOf(3, await reader.read(number), 'sha1'), hex(set.oid(number)))
  }
  assert.deepEqual(
    [0, 1, 2, 3].map((number) => set.depth(number, 100)),
    [0, 1, 2, 1],
  )
  // the oldest copies alone, as an answer to a fetch is made of them
  assert.equal(set.find(fromHex(b.id), 0), 0)
  assert.equal(set.find(fromHex(a.id), 0), 1)
  // without the whole one there is nothing to begin with
  const circle = gitPackSet(stored.slice(1, 3), 'sha1')
  for (const number of [0, 1]) {
    if (hex(circle.oid(number)) === a.id) assert.throws(() => new ObjectReader(circle, new ObjectCache(0)).read(number), CorruptError)
  }
})

test('the oldest copy counts, be its pack small or large, and goes on counting as packs are added', async () => {
  const shared = Array.from({ length: 20 }, (_, i) => blob(`shared ${i}`))
  const many = Array.from({ length: 5000 }, (_, i) => blob(`many ${i}`))
  const small = await storePack(new PackBuilder().addAll(...shared).build(), PackSet.empty('sha1'))
  const large = await storePack(new PackBuilder().addAll(...shared, ...many).build(), PackSet.empty('sha1'))
  const other = await storePack(new PackBuilder().addAll(...many).build(), PackSet.empty('sha1'))
  const orders: GitPack[][] = [
    [small, large, other],
    [large, small, other],
    [other, small, large],
    [small, other, small],
  ]
  for (const packs of orders) {
    for (let count = 1; count <= packs.length; count++) {
      const set = gitPackSet(packs.slice(0, count), 'sha1')
      for (const object of [...shared, ...many.slice(0, 50)]) {
        const oid = fromHex(object.id)
        const oldest = set.packs.find((pack) => pack.index.find(oid, 0) >= 0)
        assert.equal(set.find(oid, 0), oldest ? oldest.first + oldest.index.find(oid, 0) : -1)
      }
    }
  }
})
