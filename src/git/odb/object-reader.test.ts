// Reading stored objects: every object of a real history as git has it, through tails and large packs, far and near bytes; and stored bytes
// that are wrong are told apart from objects.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { type GitPack, gitPackSet, loadGitPack } from '../../../tests/support/git-pack.ts'
import { CorruptError, fromHex, hex } from '../../base/index.ts'
import { kindName, objectIdOf } from '../format/index.ts'
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
    const bytes = pack.bytes.slice()
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
