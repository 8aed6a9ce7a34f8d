// split and join: the same bytes for every archive, every damage to one, and for noise; and what the list says of each oddity.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Seeded } from '../../../../tests/support/seeded.ts'
import { longMember, paxMember, tarMember, tarOf } from '../../../../tests/support/tar.ts'
import { fromUtf8, hex, latin1, utf8 } from '../../../base/index.ts'
import type { FileEntry } from './file-list.ts'
import { joinTar, TarSplit } from './tar-split.ts'

const mostMetaBytes = 1 << 20

interface Split {
  readonly skeleton: Buffer
  readonly bodies: Buffer
  readonly begun: number[]
  readonly entries: FileEntry[]
}

function split(tar: Uint8Array, pieceBytes = tar.length || 1): Split {
  const splitting = new TarSplit(mostMetaBytes)
  const skeleton: Uint8Array[] = []
  const bodies: Uint8Array[] = []
  const begun: number[] = []
  const entries: FileEntry[] = []
  for (let at = 0; at < tar.length; at += pieceBytes) {
    for (const piece of splitting.push(tar.subarray(at, at + pieceBytes))) {
      if (piece.kind === 'skeleton') skeleton.push(piece.bytes)
      else if (piece.kind === 'body') bodies.push(piece.bytes)
      else if (piece.kind === 'begin') begun.push(piece.sizeBytes)
      else entries.push(piece.entry)
    }
  }
  return { skeleton: Buffer.concat(skeleton), bodies: Buffer.concat(bodies), begun, entries }
}

async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}

async function roundTrip(tar: Uint8Array, pieceBytes: number): Promise<Split> {
  const parts = split(tar, pieceBytes)
  assert.equal(parts.skeleton.length + parts.bodies.length, tar.length)
  const joined: Uint8Array[] = []
  const options = { mostMetaBytes, pieceBytes: pieceBytes * 3 + 1 }
  for await (const piece of joinTar(inPieces(parts.skeleton, pieceBytes + 5), inPieces(parts.bodies, pieceBytes), options))
    joined.push(piece)
  assert.deepEqual(Buffer.concat(joined), Buffer.from(tar))
  return parts
}

const body = (text: string) => utf8(text)
const paths = (entries: readonly FileEntry[]) => entries.map((entry) => `${entry.type} ${fromUtf8(entry.path)}`)

const oddities: Readonly<Record<string, { tar: Buffer; entries: string[] }>> = {
  'ustar with a prefix': { tar: tarOf(tarMember({ name: 'b', prefix: 'a/deep', body: body('x') })), entries: ['0 a/deep/b'] },
  'v7, where a slash makes a directory': {
    tar: tarOf(tarMember({ name: 'd/', type: '\0', magic: '' }), tarMember({ name: 'd/f', type: '\0', magic: '', body: body('v7') })),
    entries: ['5 d/', '0 d/f'],
  },
  'GNU long names': {
    tar: tarOf(
      longMember('L', 'n'.repeat(300)),
      longMember('K', 't'.repeat(300)),
      tarMember({ type: '2', link: 'cut' }),
      tarMember({ name: 'next' }),
    ),
    entries: [`2 ${'n'.repeat(300)}`, '0 next'],
  },
  'PAX path and size': {
    tar: tarOf(
      paxMember({ path: 'übung/π', size: '5', mtime: '1.5' }),
      tarMember({ name: 'cut', size: 0, body: body('12345') }),
      tarMember({ name: 'next' }),
    ),
    entries: ['0 übung/π', '0 next'],
  },
  'a global PAX header': {
    tar: tarOf(paxMember({ comment: 'abc', size: '99' }, 'g'), tarMember({ name: 'f', body: body('f') })),
    entries: ['0 f'],
  },
  'sizes in base 256': {
    tar: tarOf(tarMember({ isBinary: true, body: body('binary') }), tarMember({ name: 'next' })),
    entries: ['0 file', '0 next'],
  },
  'links, devices, pipes and directories have no body, whatever their size says': {
    tar: tarOf(
      ...['1', '2', '3', '4', '5', '6'].map((type) => tarMember({ name: `n${type}`, type, size: 512, link: 'to' })),
      tarMember({ name: 'f', body: body('f') }),
    ),
    entries: ['1 n1', '2 n2', '3 n3', '4 n4', '5 n5', '6 n6', '0 f'],
  },
  'hard links out of the root and path tricks stand as they are': {
    tar: tarOf(
      tarMember({ name: '../../etc/passwd', body: body('x') }),
      tarMember({ name: '/abs', type: '1', link: '../../../root' }),
      tarMember({ name: 'a\\b\n', type: '2', link: '/' }),
    ),
    entries: ['0 ../../etc/passwd', '1 /abs', '2 a\\b\n'],
  },
  'duplicate entries': { tar: tarOf(tarMember({ body: body('1') }), tarMember({ body: body('2') })), entries: ['0 file', '0 file'] },
  'PAX sparse': {
    tar: tarOf(
      paxMember({ 'GNU.sparse.major': '1', 'GNU.sparse.name': 'holes', 'GNU.sparse.realsize': '1000000' }),
      tarMember({ name: 'x', body: body('1\n0\n3\nabc') }),
    ),
    entries: ['S holes'],
  },
  'GNU sparse, with a map that goes on': {
    tar: tarOf(
      Buffer.concat([
        tarMember({
          name: 'holes',
          type: 'S',
          size: 512,
          magic: 'ustar  \0',
          patch: (block) => {
            block[482] = 1
            block.write('00003641100\0', 483)
          },
        }),
        Buffer.alloc(504),
        Buffer.from([1]),
        Buffer.alloc(7),
        Buffer.alloc(512),
        Buffer.alloc(512, 'b'),
      ]),
      tarMember({ name: 'next', body: body('n') }),
    ),
    entries: ['S holes', '0 next'],
  },
  'a kind that nobody knows has a body that is no file': {
    tar: tarOf(tarMember({ type: 'Z', body: body('zzz') }), tarMember({ name: 'next' })),
    entries: ['Z file', '0 next'],
  },
  'a wrong sum: from there on no members': {
    tar: tarOf(tarMember({ body: body('1') }), tarMember({ wrongSum: 1, body: body('2') }), tarMember({ name: 'after' })),
    entries: ['0 file'],
  },
  'garbage behind the end, members in it too': {
    tar: Buffer.concat([tarOf(tarMember({ body: body('1') })), tarMember({ name: 'hidden', body: body('h') }), Buffer.alloc(333, 7)]),
    entries: ['0 file'],
  },
  'one block of zeros is no end': {
    tar: Buffer.concat([tarMember({ name: 'a' }), Buffer.alloc(512), tarMember({ name: 'b' })]),
    entries: ['0 a', '0 b'],
  },
  'a member that the archive ends within is not listed': { tar: tarMember({ body: body('12345') }).subarray(0, 515), entries: [] },
  'PAX that is none': { tar: tarOf(tarMember({ type: 'x', body: body('99 path=short\n') }), tarMember({ name: 'after' })), entries: [] },
  'a size below zero': {
    tar: tarOf(tarMember({ patch: (block) => block.fill(0xff, 124, 136) }), tarMember({ name: 'after' })),
    entries: [],
  },
  'an empty archive': { tar: tarOf(), entries: [] },
  'nothing at all': { tar: Buffer.alloc(0), entries: [] },
}

for (const [name, { tar, entries }] of Object.entries(oddities)) {
  test(`taken apart and put together: ${name}`, async () => {
    for (const pieceBytes of [1, 13, 512, 100_000]) {
      const parts = await roundTrip(tar, pieceBytes)
      assert.deepEqual(paths(parts.entries), entries)
    }
  })
}

test('bodies are files alone, announced with their size, and hashed as git and OCI do', async () => {
  const tar = tarOf(
    tarMember({ name: 'd', type: '5' }),
    tarMember({ name: 'a', body: body('hello\n') }),
    tarMember({ name: 'empty' }),
    tarMember({ name: 'b', body: body('x'.repeat(1000)) }),
  )
  const { bodies, begun, entries } = await roundTrip(tar, 700)
  assert.equal(latin1(bodies), `hello\n${'x'.repeat(1000)}`)
  assert.deepEqual(begun, [6, 1000])
  const hello = entries[1]
  assert.equal(hex(hello?.gitBlob as Uint8Array), 'ce013625030ba8dba906f756967f9e9ca394464a') // as `git hash-object` has it
  assert.equal(hex(hello?.sha256 as Uint8Array), createHash('sha256').update('hello\n').digest('hex'))
  assert.equal(hex(entries[2]?.gitBlob as Uint8Array), 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391')
})

test('what cannot be a tar, and tars with damage anywhere, come back as they were', async () => {
  const random = new Seeded(5)
  const number = (below: number) => random.below(below)
  const whole = tarOf(...Object.values(oddities).map(({ tar }) => tar.subarray(0, Math.max(0, tar.length - 1024))))
  for (let round = 0; round < 400; round++) {
    const mutated = Buffer.from(
      round % 2 === 0
        ? whole
        : tarOf(...Array.from({ length: 6 }, (_, n) => tarMember({ name: `f${n}`, body: random.bytes(number(2000)) }))),
    )
    for (let n = number(4); n >= 0; n--) mutated[number(mutated.length)] = number(256)
    await roundTrip(
      mutated.subarray(number(3) === 0 ? number(600) : 0, mutated.length - number(2) * number(mutated.length)),
      1 + number(3000),
    )
  }
  for (let round = 0; round < 50; round++) await roundTrip(random.bytes(number(5000)), 1 + number(1000))
})
