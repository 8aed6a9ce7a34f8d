// Reading stored objects: every object of a real history as git has it, through tails and large packs, far and near bytes; and stored bytes
// that are wrong are told apart from objects.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { type GitPack, gitPackSet, loadGitPack } from '../../../tests/support/git-pack.ts'
import { concatBytes, CorruptError, fromHex, hex, InputError } from '../../base/index.ts'
import { applyDelta, encodeDelta } from '../format/delta.ts'
import { kindName, objectIdOf } from '../format/index.ts'
import { deltaPieces } from './delta-pieces.ts'
import { Inflater, ObjectCache, ObjectReader, PackSet, tailBytes } from './index.ts'

const folder = new TempFolder('odb')
const git = new Git(folder)
let packs: GitPack[]

before(async () => {
  const work = folder.join('work')
  await git.run(['init', '-q', '-b', 'main', work])
  const lines = Array.from({ length: 3000 }, (_, i) => `line ${i}`)
  packs = []
  let previous = ''
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 15; i++) {
      lines[(round * 997 + i * 131) % 3000] = `changed in ${round} ${i}`
      await git.commit(work, { 'large.txt': lines.join('\n'), [`folder/${i}`]: `file ${i} of ${round}\n` }, `commit ${round} ${i}`)
    }
    const tip = await git.read(['rev-parse', 'HEAD'], { cwd: work })
    const wanted = previous === '' ? tip : `${tip}\n^${previous}`
    const name = execFileSync('git', ['-C', work, 'pack-objects', '-q', '--revs', join(folder.join('.'), `round${round}`)], {
      input: `${wanted}\n`,
    })
    packs.push(await loadGitPack(folder.join(`round${round}-${name.toString().trim()}`), 'sha1'))
    previous = tip
  }
})
after(() => folder.remove())

test('every object comes out as git stores it, whatever the cache holds', async () => {
  const set = gitPackSet(packs, 'sha1')
  assert.ok(set.packs.some((pack) => Array.from({ length: pack.index.count }, (_, i) => pack.index.base(i)).some((base) => base >= 0)))
  for (const cacheBytes of [0, 10_000, 16 << 20]) {
    const reader = new ObjectReader(set, new ObjectCache(cacheBytes))
    for (let number = 0; number < set.size; number++) {
      const bytes = await reader.read(number)
      assert.equal(objectIdOf(set.kind(number), bytes, 'sha1'), hex(set.oid(number)))
      assert.equal(bytes.length, set.sizeBytes(number))
    }
  }
})

test('bytes that are far come to the same', async () => {
  const near = gitPackSet(packs, 'sha1')
  const far = PackSet.empty('sha1').with(
    packs.map(({ index, bytes }, id) => ({
      id,
      index,
      bytes: {
        ...tailBytes(bytes),
        read: async (offset: number, sizeBytes: number) => {
          await new Promise((resolve) => setImmediate(resolve))
          return bytes.slice(offset, offset + sizeBytes)
        },
      },
    })),
  )
  const a = new ObjectReader(near, new ObjectCache(0))
  const b = new ObjectReader(far, new ObjectCache(1 << 20))
  const pairs = Array.from({ length: near.size }, async (_, number) => assert.deepEqual(await b.read(number), await a.read(number)))
  await Promise.all(pairs)
})

test('an id has one number in a set, and none when it is not there; sets that grew apart do not mix', () => {
  const set = gitPackSet(packs, 'sha1')
  for (let number = 0; number < set.size; number++) {
    const found = set.find(set.oid(number), 0)
    assert.deepEqual(set.oid(found), set.oid(number))
    assert.equal(set.find(set.oid(found), 0), found)
  }
  assert.equal(set.find(fromHex('ee'.repeat(20)), 0), -1)
  const [first, second, third] = packs as [GitPack, GitPack, GitPack]
  const base = gitPackSet([first], 'sha1')
  const add = (pack: GitPack) => base.with([{ id: 9, index: pack.index, bytes: tailBytes(pack.bytes) }])
  const [left, right] = [add(second), add(third)]
  for (let position = 0; position < second.index.count; position++) {
    const oid = second.index.oid(position)
    assert.ok(left.find(oid, 0) >= 0)
    if (third.index.find(oid, 0) < 0 && first.index.find(oid, 0) < 0) assert.equal(right.find(oid, 0), -1)
    if (first.index.find(oid, 0) < 0) assert.equal(base.find(oid, 0), -1)
  }
})

test('stored bytes that changed are CorruptError, never another object', async () => {
  const [pack] = packs as [GitPack]
  for (let at = 12; at < pack.bytes.length - 20; at += 97) {
    const bytes = new Uint8Array(pack.bytes) // a Buffer's slice would be the same bytes
    bytes[at] = (bytes[at] as number) ^ 0x41
    const set = gitPackSet([{ index: pack.index, bytes }], 'sha1')
    const reader = new ObjectReader(set, new ObjectCache(1 << 20))
    for (let number = 0; number < set.size; number++) {
      try {
        const object = await reader.read(number)
        if (objectIdOf(set.kind(number), object, 'sha1') !== hex(set.oid(number))) {
          assert.ok(set.packs[0]?.index.base(number) !== -1, `a changed ${kindName(set.kind(number))} was taken for whole`)
        }
      } catch (error) {
        assert.ok(error instanceof CorruptError, String(error))
      }
    }
  }
})

test('the inflater refuses what node:zlib refuses', () => {
  const inflater = new Inflater()
  assert.equal(inflater.inflate(new Uint8Array([1, 2, 3]), 10), null)
  assert.equal(inflater.inflate(new Uint8Array(2 << 20), 10), null)
})

test('every object comes out in pieces as it does whole, and what changed on the disk is CorruptError', async () => {
  const set = gitPackSet(packs, 'sha1')
  const reader = new ObjectReader(set, new ObjectCache(1 << 20))
  const inPieces = async (from: ObjectReader, number: number) => {
    const pieces: Uint8Array[] = []
    for await (const piece of from.pieces(number)) pieces.push(piece)
    return concatBytes(pieces)
  }
  await Promise.all(
    Array.from({ length: set.size }, async (_, number) =>
      assert.deepEqual(await inPieces(reader, number), concatBytes([await reader.read(number)])),
    ),
  )
  const [pack] = packs as [GitPack]
  const order = pack.index.order()
  for (let rank = 0; rank < order.length; rank += 7) {
    const bytes = new Uint8Array(pack.bytes) // a Buffer's slice would be the same bytes
    const at = pack.index.end(order[rank] as number) - 1 // of the zlib stream's own check
    bytes[at] = (bytes[at] as number) ^ 1
    await assert.rejects(
      inPieces(new ObjectReader(gitPackSet([{ index: pack.index, bytes }], 'sha1'), new ObjectCache(0)), order[rank] as number),
      CorruptError,
    )
  }
})

test('a delta makes the same in pieces, and refuses what is none', () => {
  const bytes = fc.uint8Array({ maxLength: 3000 })
  fc.assert(
    fc.property(bytes, bytes, (base, target) => {
      const delta = encodeDelta(base, target)
      assert.deepEqual(concatBytes([...deltaPieces(base, delta)]), target)
    }),
  )
  const large = Uint8Array.from({ length: 700_000 }, (_, i) => i * i)
  const delta = encodeDelta(large, concatBytes([large.subarray(300_000), large]))
  assert.deepEqual(concatBytes([...deltaPieces(large, delta)]), applyDelta(large, delta))
  fc.assert(
    fc.property(bytes, bytes, (base, noise) => {
      try {
        concatBytes([...deltaPieces(base, noise)])
      } catch (error) {
        assert.ok(error instanceof InputError, String(error))
      }
    }),
  )
})

test('the cache keeps to its bytes, small objects and what they cost beside their bytes included', () => {
  const cache = new ObjectCache(1 << 20)
  const limit = (1 << 20) / 320
  for (let number = 0; number < 100_000; number++) {
    cache.set(number, new Uint8Array(10))
    assert.ok(cache.get(number))
    assert.ok(cache.get(0) || number > 0)
  }
  let kept = 0
  for (let number = 1; number < 100_000; number++) if (cache.get(number)) kept++
  assert.ok(kept > limit / 4 && kept < limit, String(kept))
  assert.ok(cache.get(99_999) && !cache.get(50_000))
})
