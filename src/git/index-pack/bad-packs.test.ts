// Everything that is refused, one named test for each, with git's own kind of message; and that nothing else about it goes wrong.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { deflateSync } from 'node:zlib'
import { InputError } from '../../base/index.ts'
import {
  blob,
  commit,
  copyingDelta,
  deltaSize,
  entryHeader,
  object,
  PackBuilder,
  resealed,
  tree,
  type TreeEntry,
} from '../../../tests/support/pack-builder.ts'
import { existing, indexBytes, temporaryFolder, wideLimits } from '../../../tests/support/pack-indexing.ts'
import type { IndexOptions } from './index.ts'

const hello = blob('hello, world\n'.repeat(20))
const helloBytes = hello.bytes.length

async function refused(pack: Uint8Array, code: string, message: RegExp, options: Partial<IndexOptions> = {}): Promise<void> {
  const scratchFolder = temporaryFolder()
  for (const pieceBytes of [65536, 7]) {
    await assert.rejects(indexBytes(pack, { ...options, scratchFolder, pieceBytes }), (error) => {
      assert.ok(error instanceof InputError, String(error))
      assert.match(error.message, message)
      assert.equal(error.code, code)
      return true
    })
  }
  assert.deepEqual(readdirSync(scratchFolder), [])
}

function oneBlob(): PackBuilder {
  const pack = new PackBuilder()
  pack.add(hello)
  return pack
}

/** A pack with one tree of one entry beside the blob. */
function oneTree(mode: string, name: string): Buffer {
  const pack = oneBlob()
  pack.add(tree([mode, name, hello.id]))
  return pack.build()
}

test('the zero-object pack is valid', async () => {
  const { objectCount, sources, packBytes } = await indexBytes(new PackBuilder().build())
  assert.deepEqual([objectCount, sources.length, packBytes], [0, 0, 32])
})

test('truncated pack: cut anywhere', async () => {
  const whole = oneBlob().build()
  for (let size = 0; size < whole.length; size++) {
    await assert.rejects(indexBytes(whole.subarray(0, size)), InputError)
    if (size >= 33) await assert.rejects(indexBytes(resealed(whole.subarray(0, size))), InputError)
  }
  await refused(whole.subarray(0, 40), 'pack-truncated', /early EOF/)
})

test('truncated pack: fewer objects than its header says', () => refused(oneBlob().build({ count: 2 }), 'pack-truncated', /early EOF/))

test('an empty input is no pack', () => refused(new Uint8Array(0), 'pack-truncated', /early EOF/))

test('wrong trailer', async () => {
  const pack = oneBlob().build()
  pack[pack.length - 1]! ^= 1
  await refused(pack, 'pack-trailer', /pack is corrupted/)
})

test('trailing garbage after the pack', () =>
  refused(oneBlob().build({ behind: Buffer.from('garbage') }), 'pack-garbage', /junk at the end/))

test('more objects than its header says', () => refused(oneBlob().build({ count: 0 }), 'pack-garbage', /junk at the end/))

test('version 1', () => refused(oneBlob().build({ version: 1 }), 'pack-version', /version 1 unsupported/))
test('version 4', () => refused(oneBlob().build({ version: 4 }), 'pack-version', /version 4 unsupported/))
test('no pack at all', () =>
  refused(Buffer.from('this is not a pack, whatever else it may be'), 'pack-signature', /pack signature mismatch/))

test('unknown entry type', async () => {
  for (const type of [0, 5]) {
    const pack = new PackBuilder()
    pack.addRaw(entryHeader(type, helloBytes), deflateSync(hello.bytes))
    await refused(pack.build(), 'pack-entry-type', new RegExp(`unknown object type ${type}`))
  }
})

test('bad zlib: no stream, broken in the middle, wrong checksum', async () => {
  const stream = deflateSync(hello.bytes)
  for (const [at, change] of [
    [0, 0xff],
    [6, 0x55],
    [stream.length - 1, 1],
  ] as const) {
    const broken = Buffer.from(stream)
    broken[at]! ^= change
    const pack = new PackBuilder()
    pack.addRaw(entryHeader(3, helloBytes), broken)
    pack.add(blob('another'))
    await assert.rejects(indexBytes(pack.build()), (error) => error instanceof InputError && /pack-(zlib|truncated)/.test(error.code))
  }
  const pack = new PackBuilder()
  pack.addRaw(entryHeader(3, helloBytes), Buffer.from('nothing like zlib'.repeat(9)))
  await refused(pack.build(), 'pack-zlib', /inflate returned -3/)
})

test('declared sizes that lie: too small, too big, for objects and for deltas', async () => {
  for (const lie of [-1, 1, 1000]) {
    const pack = new PackBuilder()
    pack.add(hello, { declaredBytes: helloBytes + lie })
    await refused(pack.build(), 'pack-zlib', lie < 0 ? /longer than declared/ : /shorter than declared/)
    const deltas = new PackBuilder()
    const base = deltas.add(hello)
    const delta = copyingDelta(helloBytes, 0, 20, 'x')
    deltas.addOfsDelta(base, delta, delta.length + lie)
    await refused(deltas.build(), 'pack-zlib', lie < 0 ? /longer than declared/ : /shorter than declared/)
  }
})

test('declared sizes that lie: of large objects, which are inflated in pieces', async () => {
  const large = blob(Buffer.alloc(5 << 20, 'large'))
  for (const lie of [-1, 1]) {
    const pack = new PackBuilder()
    pack.add(large, { declaredBytes: large.bytes.length + lie })
    await refused(pack.build(), 'pack-zlib', lie < 0 ? /longer than declared/ : /shorter than declared/)
  }
})

test('a size beyond all limits is refused before anything is allocated', async () => {
  const pack = new PackBuilder()
  pack.addRaw(entryHeader(3, 2 ** 45), deflateSync(hello.bytes))
  await refused(pack.build(), 'object-too-large', /exceeds the limit/)
})

test('a header that claims four billion objects allocates nothing for them', async () => {
  const before = process.memoryUsage().rss
  await refused(oneBlob().build({ count: 0xffffffff }), 'pack-too-many-objects', /4294967295 objects/)
  await refused(oneBlob().build({ count: 0xffffffff }), 'pack-truncated', /early EOF/, { limits: { ...wideLimits, objectCount: 2 ** 33 } })
  assert.ok(process.memoryUsage().rss - before < 256 << 20)
})

test('delta out of range: it copies from behind its base', async () => {
  const pack = new PackBuilder()
  pack.addOfsDelta(pack.add(hello), copyingDelta(helloBytes, 0, helloBytes + 1))
  await refused(pack.build(), 'pack-delta', /failed to apply delta.*outside its base/)
})

test('delta: its base has another size, its result is not what it says, its instructions are cut or reserved', async () => {
  const right = [...deltaSize(helloBytes), ...deltaSize(3), 3, 97, 98, 99]
  for (const delta of [
    [...deltaSize(helloBytes + 1), ...deltaSize(3), 3, 97, 98, 99],
    [...deltaSize(helloBytes), ...deltaSize(4), 3, 97, 98, 99],
    [...deltaSize(helloBytes), ...deltaSize(2), 3, 97, 98, 99],
    [...deltaSize(helloBytes), ...deltaSize(3), 3, 97, 98],
    [...deltaSize(helloBytes), ...deltaSize(3), 0],
    [...deltaSize(helloBytes), ...deltaSize(3), 0xff, 1],
    [...deltaSize(helloBytes)],
    [0x80],
  ]) {
    const pack = new PackBuilder()
    pack.addOfsDelta(pack.add(hello), Buffer.from(delta))
    await refused(pack.build(), 'pack-delta', /failed to apply delta/)
  }
  const pack = new PackBuilder()
  pack.addOfsDelta(pack.add(hello), Buffer.from(right))
  assert.equal((await indexBytes(pack.build())).objectCount, 2)
})

test('delta whose base offset is no entry, or before the pack', async () => {
  const pack = oneBlob()
  pack.addOfsDelta(13, copyingDelta(helloBytes, 0, 3))
  await refused(pack.build(), 'pack-delta', /delta base offset is out of bound/)
  const other = oneBlob()
  other.addOfsDelta(-500, copyingDelta(helloBytes, 0, 3))
  await refused(other.build(), 'pack-delta', /delta base offset is out of bound/)
})

test('delta cycle: two deltas that name each other', async () => {
  const pack = oneBlob()
  pack.addRefDelta(blob('two').id, copyingDelta(3, 0, 0, 'one'))
  pack.addRefDelta(blob('one').id, copyingDelta(3, 0, 0, 'two'))
  await refused(pack.build(), 'pack-unresolved', /pack has 2 unresolved deltas/)
})

test('a delta that names itself', async () => {
  const pack = oneBlob()
  pack.addRefDelta(blob('self').id, copyingDelta(4, 0, 4))
  await refused(pack.build(), 'pack-unresolved', /pack has 1 unresolved delta/)
})

test('missing base', async () => {
  const pack = oneBlob()
  pack.addRefDelta('07'.repeat(20), copyingDelta(helloBytes, 0, 5))
  await refused(pack.build(), 'pack-unresolved', /pack has 1 unresolved delta/)
})

test('delta chain deeper than the limit', async () => {
  const pack = new PackBuilder()
  let base = pack.add(blob('x'.repeat(100)))
  for (let i = 0; i < 12; i++) base = pack.addOfsDelta(base, copyingDelta(100, 0, 99, String.fromCharCode(97 + i)))
  await refused(pack.build(), 'delta-too-deep', /longer than 11/, { limits: { ...wideLimits, deltaDepth: 11 } })
  assert.equal((await indexBytes(pack.build(), { limits: { ...wideLimits, deltaDepth: 12 } })).objectCount, 13)
})

test('missing object: what a commit, a tree or a tag refers to is nowhere', async () => {
  const pack = new PackBuilder()
  pack.add(tree(['100644', 'file', '01'.repeat(20)]))
  await refused(pack.build(), 'object-missing', /missing blob (01){20}/)
  const commits = new PackBuilder()
  commits.add(tree())
  commits.add(commit(tree().id, ['02'.repeat(20)]))
  await refused(commits.build(), 'object-missing', /missing commit (02){20}/)
  const tags = new PackBuilder()
  tags.add(object('tag', `object ${'03'.repeat(20)}\ntype tree\ntag v1\ntagger A U Thor <a@example.com> 1700000000 +0000\n\nx\n`))
  await refused(tags.build(), 'object-missing', /missing tree (03){20}/)
})

test('an object of the wrong kind, in the pack or outside', async () => {
  const pack = oneBlob()
  pack.add(tree(['40000', 'folder', hello.id]))
  await refused(pack.build(), 'object-kind', new RegExp(`object ${hello.id} is a blob, not a tree`))
  const other = new PackBuilder()
  other.add(tree(['40000', 'folder', hello.id]))
  await refused(other.build(), 'object-kind', /is a blob, not a tree/, { existing: existing(hello) })
})

test('delta bomb: small deltas, large results', async () => {
  const pack = new PackBuilder()
  const size = 1 << 20
  const base = pack.add(blob(Buffer.alloc(size)))
  for (let i = 0; i < 200; i++) pack.addOfsDelta(base, copyingDelta(size, 0, size, `${i}`))
  await refused(pack.build(), 'pack-bomb', /inflates to more than/, {
    limits: { ...wideLimits, inflatedBytes: 50 << 20, inflationRatio: 100 },
  })
  await refused(pack.build(), 'object-too-large', /exceeds the limit/, { limits: { ...wideLimits, objectBytes: size } })
})

test('zlib bomb: a small stream of a large object', async () => {
  const pack = new PackBuilder()
  pack.add(blob(Buffer.alloc(64 << 20)))
  const bomb = pack.build()
  assert.ok(bomb.length < 100_000)
  await refused(bomb, 'object-too-large', /exceeds the limit/, { limits: { ...wideLimits, objectBytes: 32 << 20 } })
  await refused(bomb, 'pack-bomb', /inflates to more than/, { limits: { ...wideLimits, inflatedBytes: 1 << 20, inflationRatio: 100 } })
})

test('a pack above the limit', () =>
  refused(oneBlob().build(), 'pack-too-large', /maximum allowed size/, { limits: { ...wideLimits, packBytes: 30 } }))

test('tree entry ..', () => refused(oneTree('100644', '..'), 'fsck', /object [0-9a-f]{40}: hasDotdot: contains '\.\.'/))
test('tree entry .', () => refused(oneTree('100644', '.'), 'fsck', /hasDot: contains '\.'/))
test('tree entry .git', () => refused(oneTree('100644', '.git'), 'fsck', /hasDotgit: contains '\.git'/))
test('tree entry .GIT', () => refused(oneTree('100644', '.GIT'), 'fsck', /hasDotgit: contains '\.git'/))

test('tree entries that a file system takes for .git', async () => {
  for (const name of [
    '.gIt',
    '.git ',
    '.git.',
    '.git::$INDEX_ALLOCATION',
    'git~1',
    'GIT~1',
    '.g\u200cit',
    '\u200c.git',
    '.git\u200d',
    'a\\.git',
    '.git\\x',
  ]) {
    await refused(oneTree('100644', name), 'fsck', /hasDotgit/)
  }
})

test('tree entries that only begin like them are let through', async () => {
  const names = [
    '.github',
    '.gitignore',
    '.gitkeep',
    '.gitlab-ci.yml',
    '.gitattributes',
    '.gitx',
    '...',
    '..x',
    '.x',
    'git',
    'git~',
    'gitmodules',
    'g~',
    'mailmap',
    'é',
    'a b',
  ]
  for (const name of names) assert.equal((await indexBytes(oneTree('100644', name))).objectCount, 2, name)
})

test('.gitmodules as a symbolic link', async () => {
  for (const name of ['.gitmodules', '.GITMODULES', 'gitmod~1', '.gitmodules ']) {
    await refused(oneTree('120000', name), 'fsck', /gitmodulesSymlink: .gitmodules is a symbolic link/)
  }
})

test('.gitmodules tricks: names, urls and paths that run something, in the pack or already there', async () => {
  for (const [content, id] of [
    ['[submodule "../evil"]\n\tpath = x\n\turl = https://example.com/x\n', 'gitmodulesName'],
    ['[submodule "x"]\n\tpath = x\n\turl = -u./payload\n', 'gitmodulesUrl'],
    ['[submodule "x"]\n\tpath = -x\n\turl = https://example.com/x\n', 'gitmodulesPath'],
  ] as const) {
    const modules = blob(content)
    for (const name of ['.gitmodules', 'GITMOD~1']) {
      const top = tree(['100644', name, modules.id])
      const pack = new PackBuilder()
      pack.addOfsDelta(pack.add(blob('base')), copyingDelta(4, 0, 0, content))
      pack.add(top)
      await refused(pack.build(), 'fsck', new RegExp(id))
      const without = new PackBuilder()
      without.add(top)
      await refused(without.build(), 'fsck', new RegExp(id), { existing: existing(modules) })
    }
  }
})

test('.gitmodules that is stored, and as large as a disk image: refused without being read', async () => {
  const large = blob(Buffer.alloc((16 << 20) + 1, '\n'))
  const limits: (number | undefined)[] = []
  const stored = existing(large)
  const read: typeof stored.read = (oid, limitBytes) => {
    limits.push(limitBytes)
    return stored.read(oid, limitBytes)
  }
  const pack = new PackBuilder()
  pack.add(tree(['100644', '.gitmodules', large.id]))
  await refused(pack.build(), 'fsck', /gitmodulesLarge: .gitmodules too large to parse/, { existing: { ...stored, read } })
  assert.deepEqual([...new Set(limits)], [16 << 20])
})

test('tree: modes, order, duplicates, empty names, slashes, broken form', async () => {
  const at = (...entries: readonly TreeEntry[]) => {
    const pack = oneBlob()
    pack.add(tree())
    pack.add(tree(...entries))
    return pack.build()
  }
  const empty = tree().id
  await refused(at(['100666', 'a', hello.id]), 'fsck', /badFilemode|fsck/, { fsck: { severities: { badFilemode: 'error' } } })
  await refused(at(['0100644', 'a', hello.id]), 'fsck', /zeroPaddedFilemode/, { fsck: {} })
  await refused(at(['100644', 'b', hello.id], ['100644', 'a', hello.id]), 'fsck', /treeNotSorted/)
  await refused(at(['100644', 'a', hello.id], ['100644', 'a', hello.id]), 'fsck', /duplicateEntries/)
  await refused(at(['100644', 'a', hello.id], ['40000', 'a', empty]), 'fsck', /duplicateEntries/)
  await refused(at(['100644', 'a', hello.id], ['100644', 'a.b', hello.id], ['40000', 'a', empty]), 'fsck', /duplicateEntries/)
  await refused(at(['40000', 'a', empty], ['100644', 'a.b', hello.id]), 'fsck', /treeNotSorted/)
  await refused(at(['100644', '', hello.id]), 'fsck', /badTree|emptyName/)
  await refused(at(['100644', 'a/b', hello.id]), 'fsck', /fullPathname/)
  await refused(at(['100644', 'a', '00'.repeat(20)]), 'fsck', /nullSha1/)
  const cut = oneBlob()
  cut.add(object('tree', tree(['100644', 'a', hello.id]).bytes.subarray(0, 20)))
  await refused(cut.build(), 'fsck', /badTree/)
  const sorted = at(
    ['100644', 'a', hello.id],
    ['100644', 'a.b', hello.id],
    ['40000', 'aa', empty],
    ['40000', 'lib', empty],
    ['100644', 'lib0', hello.id],
  )
  assert.equal((await indexBytes(sorted)).objectCount, 3)
})

test('commits and tags: broken headers', async () => {
  const right = commit(tree().id).bytes.toString()
  for (const [broken, id] of [
    [right.replace(/^tree .*\n/, ''), 'missingTree'],
    [right.replace(/^author .*\n/m, ''), 'missingAuthor'],
    [right.replace(/ </, '<'), 'missingSpaceBeforeEmail'],
    [right.replace('1700000000', '01700000000'), 'zeroPaddedDate'],
    [right.replace('message', 'mess\0age'), 'nulInCommit'],
    [right.replace('committer', 'commit'), 'missingCommitter'],
  ] as const) {
    const pack = new PackBuilder()
    pack.add(tree())
    pack.add(object('commit', broken))
    await refused(pack.build(), 'fsck', new RegExp(id))
  }
})

test('SHAttered: as a blob its halves are two different objects, and both are taken, as git takes them (kernels/sha1.test.ts refuses the blocks themselves)', async () => {
  const pack = new PackBuilder()
  const half = Buffer.alloc(400, '%PDF-1.3')
  pack.add(blob(half))
  assert.equal((await indexBytes(pack.build())).objectCount, 1)
})
