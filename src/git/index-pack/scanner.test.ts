// The kernel's quick look at trees and commits against the precise checks: what it calls clean has no findings, and refers to what it says;
// and what is clean in the usual ways is called so, or speed would be lost.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { commit, tree } from '../../../tests/support/pack-builder.ts'
import { RefFlag } from '../../../kernels/index.ts'
import { fsckObject } from '../format/fsck/index.ts'
import { Kind } from '../format/object-id.ts'
import { references } from './scanner.ts'
import { takeWorkspace, type Workspace } from './workspace.ts'

const workspace: Workspace = takeWorkspace()
const seed = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])

/** Null: not clean. Otherwise the references found, as `id:flags`, sorted. */
function scan(kind: Kind, bytes: Uint8Array): string[] | null {
  workspace.begin(20, seed, 1 << 20)
  workspace.reserveRefs(bytes.length)
  const at = workspace.arena + 64
  workspace.bytes.set(bytes, at)
  // What lies behind is no part of it.
  workspace.bytes.fill(0x2e, at + bytes.length, at + bytes.length + 64)
  const isClean = kind === Kind.tree ? workspace.kernel.scanTree(at, bytes.length, 20) : workspace.kernel.scanCommit(at, bytes.length, 20)
  if (!isClean) return null
  const refs = Buffer.from(workspace.refs())
  return Array.from(
    { length: refs.length / 24 },
    (_, i) => `${refs.toString('hex', i * 24, i * 24 + 20)}:${refs.readUInt32LE(i * 24 + 20)}`,
  ).sort()
}

/** The same by the precise checks. */
function precisely(kind: Kind, bytes: Uint8Array): string[] | null {
  const found = new Map<string, number>()
  const add = (id: Uint8Array, flags: number) => {
    const name = Buffer.from(id).toString('hex')
    found.set(name, (found.get(name) ?? 0) | flags)
  }
  const onSpecial = (role: 'gitmodules' | 'gitattributes', id: Uint8Array) => add(id, RefFlag.blob | RefFlag[role])
  if (fsckObject(kind, bytes, 'sha1', { onSpecial }).length > 0) return null
  references(kind, bytes, 'sha1', add)
  return [...found].map(([id, flags]) => `${id}:${flags}`).sort()
}

function assertSound(kind: Kind, bytes: Uint8Array): void {
  const quick = scan(kind, bytes)
  if (quick !== null) assert.deepEqual(quick, precisely(kind, bytes))
}

const id = fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => {
  bytes[0] = bytes[0]! | 1
  return bytes
})
const oddName = fc.constantFrom(
  '.',
  '..',
  '...',
  '.git',
  '.GIT',
  '.git ',
  '.git.',
  '.git:x',
  '.gitx',
  '.gitmodules',
  '.gitmodules ',
  '.GITMODULES',
  '.gitattributes',
  '.gitignore',
  '.github',
  '.mailmap',
  'git~1',
  'GIT~1',
  'git~2',
  'gitmod~1',
  'gi7eba~1',
  'g~123456',
  '~1234567',
  'maba30~1',
  'a\\.git',
  'a\\b',
  'a/b',
  '.g\u200cit',
  '\u200c.git',
  '.gitm',
  'é',
  'a',
  'a.b',
  'a-',
  'a0',
  'ab',
  'a.b.c',
  'aa.',
  'lib',
  'lib.c',
  'lib0',
  'Makefile',
  'Makefile.am',
  'x'.repeat(40),
  'x'.repeat(4097),
)
const name = fc.oneof(
  oddName,
  fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' }),
  fc.string({ minLength: 1, maxLength: 3, unit: fc.constantFrom('a', 'b', '.', '-', '0') }),
)
const mode = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('100644', '100755', '40000', '120000', '160000') },
  { weight: 1, arbitrary: fc.constantFrom('100664', '040000', '0', '100666', '1006440', '40001') },
)
const entry = fc.tuple(mode, name, id)
const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 })

function sorted<T extends readonly [string, string, Uint8Array]>(entries: readonly T[]): T[] {
  const key = ([m, n]: T) => Buffer.from(m === '40000' ? `${n}/` : n)
  return [...entries].sort((a, b) => Buffer.compare(key(a), key(b)))
}

function edit(bytes: Uint8Array, changes: readonly (readonly [number, number])[]): Uint8Array {
  for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value
  return bytes
}

test('trees: what the kernel calls clean has no findings, and the references are the same', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 9 }), fc.boolean(), edits, (entries, sort, changes) => {
      assertSound(Kind.tree, edit(tree(...(sort ? sorted(entries) : entries)).bytes, changes))
    }),
    { numRuns: 6000 },
  )
})

test('trees: names that begin one another, files and folders, in every order', () => {
  const names = ['a', 'a-', 'a.', 'a.b', 'a/', 'a0', 'aa', 'a.b/', 'a.b.c']
  fc.assert(
    fc.property(fc.uniqueArray(fc.constantFrom(...names), { maxLength: 6 }), fc.boolean(), (some, sort) => {
      const entries = some.map((n) => [n.endsWith('/') ? '40000' : '100644', n.replace('/', ''), Buffer.alloc(20, 1)] as const)
      const { bytes } = tree(...(sort ? sorted(entries) : entries))
      assertSound(Kind.tree, bytes)
      // Here the verdicts are equal both ways: order and duplicates are the kernel's own business.
      assert.equal(scan(Kind.tree, bytes) === null, precisely(Kind.tree, bytes) === null)
    }),
    { numRuns: 3000 },
  )
})

test('trees: usual ones are called clean', () => {
  const usual = fc.tuple(
    fc.constantFrom('100644', '100755', '40000', '120000', '160000'),
    fc.string({ minLength: 1, maxLength: 30, unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyzABCXYZ0123456789_-+'.split('')) }),
    id,
  )
  fc.assert(
    fc.property(fc.uniqueArray(usual, { maxLength: 40, selector: ([, n]) => n }), (entries) => {
      assert.notEqual(scan(Kind.tree, tree(...sorted(entries)).bytes), null)
    }),
    { numRuns: 500 },
  )
  for (const n of [
    '.gitignore',
    '.gitattributes',
    '.gitmodules',
    '.github',
    '.gitlab-ci.yml',
    '.gitkeep',
    '.mailmap',
    '.travis.yml',
    '...',
    'git',
    'gitweb',
    'mm',
    'Größe',
  ]) {
    assert.notEqual(scan(Kind.tree, tree(['100644', n, '01'.repeat(20)]).bytes), null, n)
  }
})

test('commits: the same', () => {
  const people = fc.constantFrom(
    'A U Thor <author@example.com> 1700000000 +0100',
    'A <a> 0 -0000',
    ' <> 1 +0000',
    '<a> 1 +0000',
    'A<a> 1 +0000',
    'A <a>1 +0000',
    'A <a> 01 +0000',
    'A <a> 1 +000',
    'A <a> 1 +00000',
    'A <a> 1  +0000',
    'A <a>  1 +0000',
    'A <a> x +0000',
    'A <a<b> 1 +0000',
    'A > <a> 1 +0000',
    'A <a> 9223372036854775807 +0000',
    'A <a> 9223372036854775808 +0000',
    'A <a> 1',
    'A',
    'A <a> 123456789012345678 +0000',
  )
  const tails = fc.constantFrom(
    '\n\nmessage\n',
    '\n\n',
    '\n',
    '',
    '\nencoding x\n\nmessage',
    '\ngpgsig a\n b\n\nm',
    '\nencoding x',
    '\n\nmess\0age',
    '\nen\0coding x\n\nm',
  )
  fc.assert(
    fc.property(id, fc.array(id, { maxLength: 3 }), people, people, tails, edits, (tree, parents, author, committer, tail, changes) => {
      const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
      const lines = [`tree ${hex(tree)}`, ...parents.map((p) => `parent ${hex(p)}`), `author ${author}`, `committer ${committer}`]
      assertSound(Kind.commit, edit(Buffer.from(lines.join('\n') + tail), changes))
    }),
    { numRuns: 6000 },
  )
  fc.assert(
    fc.property(id, fc.array(id, { maxLength: 3 }), fc.string(), (top, parents, message) => {
      assert.notEqual(scan(Kind.commit, commit(top, parents, message.replaceAll('\0', '')).bytes), null)
    }),
    { numRuns: 300 },
  )
})
