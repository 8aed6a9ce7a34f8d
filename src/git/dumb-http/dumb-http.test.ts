// Index files in pieces against git's own and against format/idx.ts; ranges; which objects may be shown.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { loadRepository } from '../../../tests/support/fetch-server.ts'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { concatBytes, fromHex, hex } from '../../base/index.ts'
import { decodeIdx, encodeIdx } from '../format/idx.ts'
import { encodePackIndex, indexStart, PackIndex } from '../format/stored-pack.ts'
import { DumbObjects } from './dumb-objects.ts'
import { idxBytes, idxPieces } from './idx-pieces.ts'
import { parseRange } from '../../http/index.ts'

const folder = new TempFolder('dumb-http')
const git = new Git(folder)
let bare: string

before(async () => {
  const work = await git.makeRepository(folder.join('work'), 80)
  bare = folder.join('bare.git')
  await git.run(['clone', '-q', '--bare', work, bare])
  await git.run(['repack', '-adq', '--depth=5'], { cwd: bare })
})
after(() => folder.remove())

test('an index in pieces is git’s own index', async () => {
  const { repository } = await loadRepository(bare)
  const [pack] = repository.set.packs
  assert.ok(pack)
  const name = readdirSync(`${bare}/objects/pack`).find((file) => file.endsWith('.idx'))
  const theirs = readFileSync(`${bare}/objects/pack/${name}`)
  const { packHash } = decodeIdx(theirs, 'sha1')
  const own = concatBytes([...idxPieces(pack.index, packHash)])
  assert.equal(own.length, idxBytes(pack.index))
  assert.ok(theirs.equals(own))
})

test('offsets beyond 2³¹ go to their own table, any number of objects to any number of pieces', () => {
  for (const count of [0, 1, 3, 8192, 20_001]) {
    const oids = new Uint8Array(count * 20)
    for (let i = 0; i < count; i++) new DataView(oids.buffer).setUint32(i * 20, i * 200_003)
    const offsets = Float64Array.from({ length: count }, (_, i) => 12 + i * 400_000)
    const packBytes = 12 + count * 400_000 + 20
    const crcs = Uint32Array.from({ length: count }, (_, i) => i * 2654435761)
    const value = encodePackIndex({
      format: 'sha1',
      packBytes,
      oids,
      offsets,
      crcs,
      kinds: new Uint8Array(count).fill(3),
      sizes: new Float64Array(count).fill(1),
      bases: new Uint32Array(count).fill(0xffffffff),
      sources: new Uint8Array(0),
      externals: new Uint8Array(0),
    })
    const pad = indexStart(packBytes) - packBytes
    const index = new PackIndex(value.subarray(pad), indexStart(packBytes))
    const packHash = fromHex('ab'.repeat(20))
    const own = concatBytes([...idxPieces(index, packHash)])
    assert.equal(own.length, idxBytes(index))
    assert.deepEqual(own, encodeIdx({ format: 'sha1', oids, crcs, offsets, packHash }))
  }
})

test('a range is within the file, whatever the header says', () => {
  assert.deepEqual(parseRange('bytes=0-0', 10), { from: 0, to: 1 })
  assert.deepEqual(parseRange('bytes=5-2', 10), { from: 0, to: 10 })
  assert.deepEqual(parseRange('bytes=-', 10), { from: 0, to: 10 })
  assert.deepEqual(parseRange('bytes=-99', 10), { from: 0, to: 10 })
  assert.equal(parseRange('bytes=-0', 10), null)
  assert.equal(parseRange('bytes=10-', 10), null)
  assert.equal(parseRange('bytes=0-', 0), null)
  const number = fc.option(fc.nat(30), { nil: '' })
  fc.assert(
    fc.property(number, number, fc.nat(20), (from, to, size) => {
      const range = parseRange(`bytes=${from}-${to}`, size)
      return range === null || (range.from >= 0 && range.from <= range.to && range.to <= size)
    }),
  )
})

test('what is shown is what the tips reach: by packs, else object by object', async () => {
  const { repository, refs } = await loadRepository(bare)
  const tip = refs.byName.get('refs/heads/main')?.oid
  assert.ok(tip)
  const [pack] = repository.set.packs
  assert.ok(pack)
  const all = new DumbObjects(repository, fromHex(tip))
  const [shown] = await all.packs()
  assert.ok(shown?.isListed)
  assert.equal(shown.packId, pack.id)
  assert.equal(await all.loose(tip, new Set([pack.id])), null)
  const whole = await all.loose(tip, new Set())
  assert.ok(whole)
  const parts: Uint8Array[] = []
  for await (const piece of whole.pieces) parts.push(piece)
  assert.equal(concatBytes(parts).length, whole.sizeBytes)
  assert.match(inflateSync(concatBytes(parts)).toString('latin1'), /^commit \d+\0tree /)
  // from an older commit the pack is not reached as a whole
  const old = (await git.read(['rev-list', 'main~40'], { cwd: bare })).split('\n')
  const newer = (await git.read(['rev-list', 'main~40..main'], { cwd: bare })).split('\n')
  const some = new DumbObjects(repository, fromHex(old[0] as string))
  assert.deepEqual(await some.packs(), [])
  for (const oid of old) assert.ok(await some.loose(oid, new Set()), oid)
  for (const oid of newer) assert.equal(await some.loose(oid, new Set()), null, oid)
  assert.equal(await some.loose(hex(new Uint8Array(20).fill(9)), new Set()), null)
})
