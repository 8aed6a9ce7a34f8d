// Packs that git makes, and some that it doesn't: the index must be git's own, byte for byte.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { allObjects, git, makeHistory } from '../../../tests/support/history.ts'
import { blob, commit, copyingDelta, PackBuilder, tree } from '../../../tests/support/pack-builder.ts'
import { existingAt, indexBytes, type Indexed, nothingExists, temporaryFolder, wideLimits } from '../../../tests/support/pack-indexing.ts'
import type { ObjectFormat, ObjectId } from '../format/object-id.ts'

const history = makeHistory(900)

/** `git show-index`'s lines for what we found. */
function indexLines(indexed: Indexed): string[] {
  const size = indexed.format === 'sha1' ? 20 : 32
  return Array.from({ length: indexed.objectCount }, (_, i) => {
    const oid = Buffer.from(indexed.oids.subarray(i * size, (i + 1) * size)).toString('hex')
    return `${indexed.offsets[i]} ${oid} (${indexed.crcs[i]!.toString(16).padStart(8, '0')})`
  })
}

/** The same from git, for the pack as it now is. */
function gitLines(pack: Uint8Array, format: ObjectFormat = 'sha1'): string[] {
  const path = gitIndexed(pack, format)
  return git(dirname(path), ['show-index', `--object-format=${format}`], readFileSync(path.replace(/pack$/, 'idx')))
    .toString()
    .trimEnd()
    .split('\n')
}

/** A file with the pack, and git's index beside it. */
function gitIndexed(pack: Uint8Array, format: ObjectFormat): string {
  const folder = temporaryFolder()
  git(folder, ['init', '-q', '--bare', `--object-format=${format}`, '.'])
  const path = join(folder, 'test.pack')
  writeFileSync(path, pack)
  git(folder, ['index-pack', `--object-format=${format}`, path])
  return path
}

function packOf(folder: string, ...options: string[]): Buffer {
  return git(folder, ['pack-objects', '--all', '--stdout', '-q', '--window=10', ...options], '')
}

/** Kind, size and base of each object, as `git verify-pack -v` says. */
function verifyPack(pack: Uint8Array, format: ObjectFormat): Map<string, string> {
  const path = gitIndexed(pack, format)
  const lines = git(dirname(path), ['verify-pack', '-v', `--object-format=${format}`, path])
    .toString()
    .split('\n')
  const found = new Map<string, string>()
  for (const line of lines) {
    const [oid = '', kind = '', , , , , base = ''] = line.split(/\s+/)
    if (/^[0-9a-f]{40,64}$/.test(oid)) found.set(oid, `${kind} ${base}`.trim())
  }
  return found
}

for (const format of ['sha1', 'sha256'] as const) {
  test(`${format}: ids, offsets, checksums, kinds and bases are git's, with deltas by offset and by name, on one thread and on two`, async () => {
    const folder = format === 'sha1' ? history : makeHistory(900, format)
    for (const options of [['--delta-base-offset'], [], ['--depth=250', '--delta-base-offset']]) {
      const pack = packOf(folder, ...options)
      const expected = gitLines(pack, format)
      const verified = verifyPack(pack, format)
      for (const threads of [1, 2, 3]) {
        const indexed = await indexBytes(pack, { format, threads, sharedBytes: 0, inFile: threads > 1, pieceBytes: 10000 })
        assert.deepEqual(indexLines(indexed), expected)
        assert.deepEqual(indexed.pack, new Uint8Array(pack))
        assert.deepEqual(described(indexed), verified)
      }
    }
  })
}

function described(indexed: Indexed): Map<string, string> {
  const size = indexed.format === 'sha1' ? 20 : 32
  const oid = (i: number) => Buffer.from(indexed.oids.subarray(i * size, (i + 1) * size)).toString('hex')
  const names = ['', 'commit', 'tree', 'blob', 'tag']
  const found = new Map<string, string>()
  for (let i = 0; i < indexed.objectCount; i++) {
    const base = indexed.bases[i]!
    assert.equal(base !== 0xffffffff, (indexed.kinds[i]! & 8) !== 0)
    found.set(oid(i), `${names[indexed.kinds[i]! & 7]} ${base === 0xffffffff ? '' : oid(base)}`.trim())
  }
  return found
}

test('sizes are those of the objects', async () => {
  const indexed = await indexBytes(packOf(history, '--delta-base-offset'))
  const ids = Array.from({ length: indexed.objectCount }, (_, i) => Buffer.from(indexed.oids.subarray(i * 20, i * 20 + 20)).toString('hex'))
  const sizes = git(history, ['cat-file', '--batch-check=%(objectsize)'], ids.join('\n')).toString().trim().split('\n').map(Number)
  assert.deepEqual([...indexed.sizes], sizes)
})

test('sources are what nothing refers to: the tips; a whole history has no externals', async () => {
  const indexed = await indexBytes(packOf(history, '--delta-base-offset'))
  const tips = git(history, ['for-each-ref', '--format=%(objectname) %(objecttype)']).toString().trim().split('\n')
  const tags = tips.filter((line) => line.endsWith('tag')).map((line) => line.slice(0, 40))
  const head = git(history, ['rev-parse', 'main']).toString().trim()
  // The last commit is tagged, so the tag refers to it.
  const expected = [...tags, ...(git(history, ['tag', '--points-at', 'main']).length === 0 ? [head] : [])].sort()
  assert.deepEqual(packedIds(indexed.sources), expected)
  assert.equal(indexed.externals.length, 0)
})

function packedIds(ids: Uint8Array): string[] {
  return Array.from({ length: ids.length / 20 }, (_, i) => Buffer.from(ids.subarray(i * 20, i * 20 + 20)).toString('hex'))
}

test('thin pack on long chains: its bases are appended, header and trailer made right; externals are what it refers to', async () => {
  const revisions = 'main\n^main~8\n'
  const thin = git(history, ['pack-objects', '--revs', '--thin', '--stdout', '-q', '--delta-base-offset'], revisions)
  const world = existingAt(50, ...allObjects(history))
  const indexed = await indexBytes(thin, { existing: world })
  assert.ok(
    indexed.kinds.some((kind) => (kind & 16) !== 0),
    'something was appended',
  )
  assert.deepEqual(indexLines(indexed), gitLines(indexed.pack))
  const inPack = new Set(packedIds(indexed.oids))
  const externals = new Set<string>()
  for (const line of git(history, ['rev-list', '--objects', '--no-object-names', 'main', '^main~8']).toString().trim().split('\n')) {
    for (const id of refersTo(line)) if (!inPack.has(id)) externals.add(id)
  }
  assert.deepEqual(packedIds(indexed.externals), [...externals].sort())
  await assert.rejects(indexBytes(thin), /unresolved delta/)
})

function refersTo(id: string): string[] {
  const kind = git(history, ['cat-file', '-t', id]).toString().trim()
  if (kind === 'blob') return []
  const text = git(history, ['cat-file', '-p', id]).toString()
  if (kind === 'tree') return [...text.matchAll(/ ([0-9a-f]{40})\t/g)].map((m) => m[1]!)
  return [...text.split('\n\n')[0]!.matchAll(/^(?:tree|parent) ([0-9a-f]{40})$/gm)].map((m) => m[1]!)
}

test('deltas by name whose base comes later, or is itself such a delta, on a whole chain', async () => {
  const texts = Array.from({ length: 40 }, (_, i) => blob(`${'base '.repeat(30)}${i}`))
  const pack = new PackBuilder()
  for (let i = texts.length - 1; i > 0; i--) {
    const base = texts[i - 1]!
    pack.addRefDelta(base.id, copyingDelta(base.bytes.length, 0, 150, String(i)))
  }
  pack.add(texts[0]!)
  const bytes = pack.build()
  const indexed = await indexBytes(bytes)
  assert.deepEqual(packedIds(indexed.oids), texts.map((text) => text.id).sort())
  assert.deepEqual(indexLines(indexed), gitLines(bytes))
})

test('an object that stands in the pack twice is indexed once, by the least deep entry', async () => {
  const twice = blob('the same text, twice')
  const pack = new PackBuilder()
  const base = pack.add(blob('the same text, '))
  pack.addOfsDelta(base, copyingDelta(15, 0, 15, 'twice'))
  const whole = pack.add(twice)
  pack.add(twice)
  const { objectCount, entryCount, oids, offsets, kinds } = await indexBytes(pack.build())
  assert.deepEqual([objectCount, entryCount], [2, 4])
  const position = packedIds(oids).indexOf(twice.id)
  assert.deepEqual([offsets[position], kinds[position]], [whole, 3])
})

test('large objects: inflated in pieces, as bases, as results, and below small results again', { timeout: 120_000 }, async () => {
  const MIB = 1 << 20
  const noise = (size: number, seed: number) => {
    const bytes = Buffer.alloc(size)
    for (let i = 0, x = seed; i + 4 <= size; i += 4) bytes.writeUInt32LE((x = (Math.imul(x, 1664525) + 1013904223) >>> 0), i)
    return bytes
  }
  const big = noise(18 * MIB, 1)
  const pack = new PackBuilder()
  pack.add(blob(noise(5 * MIB, 2)))
  pack.add(blob(Buffer.alloc(9 * MIB, 'zeros and letters')))
  const whole = pack.add(blob(big))
  const grown = pack.addOfsDelta(whole, copyingDelta(big.length, 0, big.length, ' and more'))
  const small = pack.addOfsDelta(grown, copyingDelta(big.length + 9, 5000, 3 * MIB, 'small'))
  pack.addOfsDelta(small, copyingDelta(3 * MIB + 5, 0, 1000, 'smaller'))
  pack.addOfsDelta(small, Buffer.from(copyingDelta(3 * MIB + 5, 0, 3 * MIB, 'other')))
  const letters = pack.add(blob('x'.repeat(1000)))
  pack.addOfsDelta(letters, copyingDelta(1000, 0, 1000, 'y'.repeat(3 * MIB)))
  const bytes = pack.build()
  const expected = gitLines(bytes)
  for (const pieceBytes of [65536, 3 * MIB + 1])
    assert.deepEqual(indexLines(await indexBytes(bytes, { pieceBytes, inFile: true })), expected)
})

test('a path of bases too large for the arena goes to the scratch file and comes back', { timeout: 120_000 }, async () => {
  const pack = new PackBuilder()
  const size = 15 << 20
  let base = pack.add(blob(Buffer.alloc(size, 'abcdefg')))
  let baseSize = size
  for (let i = 0; i < 8; i++) {
    pack.addOfsDelta(base, copyingDelta(baseSize, 0, 100, `side ${i}`))
    base = pack.addOfsDelta(base, copyingDelta(baseSize, 0, baseSize - i, `deep ${i}`))
    baseSize = baseSize - i + 6
    pack.addOfsDelta(base, copyingDelta(baseSize, 10, 100, `side of ${i}`))
  }
  const bytes = pack.build()
  assert.deepEqual(indexLines(await indexBytes(bytes)), gitLines(bytes))
})

test('the thousandth object of the same job is no different: workspaces are used again, also after failures', async () => {
  const good = packOf(history, '--delta-base-offset')
  const bad = Buffer.from(good)
  bad[Math.floor(bad.length / 2)]! ^= 0x55
  const expected = indexLines(await indexBytes(good))
  for (let i = 0; i < 3; i++) {
    await assert.rejects(indexBytes(bad))
    assert.deepEqual(indexLines(await indexBytes(good)), expected)
  }
})

test('jobs beside one another do not mix', async () => {
  const packs = [packOf(history, '--delta-base-offset'), packOf(history), packOf(history, '--depth=3')]
  const alone = []
  for (const pack of packs) alone.push(indexLines(await indexBytes(pack)))
  assert.deepEqual(await Promise.all(packs.map(async (pack) => indexLines(await indexBytes(pack, { pieceBytes: 999 })))), alone)
})

test('shallow: a commit that is named so may lack its parents, another may not', async () => {
  const tip = commit(tree().id, ['09'.repeat(20)])
  const pack = new PackBuilder().addAll(tree(), tip)
  const shallow = [tip.id as ObjectId]
  const { externals } = await indexBytes(pack.build(), { shallow })
  assert.equal(externals.length, 0)
  pack.add(commit(tree().id, ['09'.repeat(20)], 'another\n'))
  await assert.rejects(indexBytes(pack.build(), { shallow }), /missing commit (09){20}/)
})

test('gitlinks are not references', async () => {
  const pack = new PackBuilder()
  pack.add(tree(['160000', 'module', Buffer.alloc(20, 5)]))
  const { externals, objectCount } = await indexBytes(pack.build(), { existing: nothingExists })
  assert.deepEqual([externals.length, objectCount], [0, 1])
})

test('progress is told', async () => {
  const phases = new Set<string>()
  await indexBytes(packOf(history), { progress: (phase) => phases.add(phase), limits: wideLimits })
  assert.ok(phases.size > 0)
})
