import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, hex, InputError, utf8 } from '../../base/index.ts'
import { decodeCommit, parseCommitLinks, readHexId } from './commit.ts'
import { decodeHeaderBlock, encodeHeaderBlock, formatIdentity, type HeaderBlock, parseIdentity } from './header-block.ts'
import { decodeObjectHeader, encodeObjectHeader, objectIdOf } from './object.ts'
import { hashBytes, Kind, type ObjectFormat } from './object-id.ts'
import { decodeTag, parseTagTarget } from './tag.ts'
import { compareTreeEntries, decodeTree, encodeTree, isGitlinkMode, isTreeMode, type TreeEntry } from './tree.ts'

const latin = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
const anyFormat = fc.constantFrom<ObjectFormat>('sha1', 'sha256')
const anyId = (format: ObjectFormat) => fc.uint8Array({ minLength: hashBytes(format), maxLength: hashBytes(format) })
const onlyInputError = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof InputError, String(error))
  }
}

describe('object headers', () => {
  test('come back, and every shorter piece asks for more', () => {
    fc.assert(
      fc.property(fc.constantFrom(Kind.commit, Kind.tree, Kind.blob, Kind.tag), fc.maxSafeNat(), (kind, sizeBytes) => {
        const bytes = encodeObjectHeader(kind, sizeBytes)
        assert.deepEqual(decodeObjectHeader(concatBytes([bytes, utf8('rest')])), { kind, sizeBytes, headerBytes: bytes.length })
        for (let cut = 0; cut < bytes.length; cut++) assert.equal(decodeObjectHeader(bytes.subarray(0, cut)), null)
      }),
    )
  })
  test('others are refused', () => {
    for (const text of [
      'blob 01\0',
      'blob -1\0',
      'blob\0',
      'house 1\0',
      ' blob 1\0',
      'blob 1 \0',
      'blob 9999999999999999\0',
      'x'.repeat(30),
    ]) {
      assert.throws(() => decodeObjectHeader(utf8(text)), InputError, text)
    }
  })
  test('name the empty objects', () => {
    assert.equal(objectIdOf(Kind.tree, new Uint8Array(), 'sha1'), '4b825dc642cb6eb9a060e54bf8d69288fbee4904')
    assert.equal(objectIdOf(Kind.blob, new Uint8Array(), 'sha256'), '473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813')
  })
})

describe('trees', () => {
  const anyEntries = (format: ObjectFormat) =>
    fc.array(
      fc.record<TreeEntry>(
        {
          mode: fc.constantFrom(0o100644, 0o100755, 0o120000, 0o40000, 0o160000, 0o1),
          name: fc.uint8Array({ minLength: 1, maxLength: 12, min: 1 }),
          oid: anyId(format),
        },
        { noNullPrototype: true },
      ),
      { maxLength: 8 },
    )
  test('come back', () => {
    fc.assert(
      fc.property(
        anyFormat.chain((format) => fc.tuple(fc.constant(format), anyEntries(format))),
        ([format, entries]) => {
          assert.deepEqual(decodeTree(encodeTree(entries), format), entries)
        },
      ),
    )
  })
  test('are ordered with folders as if they ended in a slash', () => {
    const names = ['a-', 'a.c', 'a/', 'a0', 'ab', 'ä']
    const entries = names.map((name) => ({ mode: name.endsWith('/') ? 0o40000 : 0o100644, name: utf8(name.replace('/', '')) }))
    const shuffled = [5, 2, 0, 4, 1, 3].map((i) => entries[i] as (typeof entries)[number])
    assert.deepEqual(shuffled.sort(compareTreeEntries), entries)
    assert.equal(compareTreeEntries({ mode: 0o100644, name: utf8('a') }, { mode: 0o160000, name: utf8('a') }), 0)
  })
  test('know what an entry is', () => {
    assert.deepEqual(
      [isTreeMode(0o40000), isTreeMode(0o160000), isGitlinkMode(0o160000), isGitlinkMode(0o120000)],
      [true, false, true, false],
    )
  })
  test('that can’t be read are refused', () => {
    const id = '\x11'.repeat(20)
    for (const text of [
      'x',
      '100644',
      '100644 ',
      `100644 \0${id}`,
      ` a\0${id}`,
      `8 a\0${id}`,
      `100644 a\0${id.slice(1)}`,
      `100644 a\0${id}x`,
    ]) {
      assert.throws(() => decodeTree(Buffer.from(text, 'latin1'), 'sha1'), InputError, text)
    }
  })
  test('noise throws only InputError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), anyFormat, (noise, format) => onlyInputError(() => decodeTree(noise, format))),
      { numRuns: 1000 },
    )
  })
})

describe('header blocks', () => {
  const anyBlock = fc.record<HeaderBlock>(
    {
      headers: fc.array(
        fc.oneof(
          fc.record({ name: fc.stringMatching(/^[a-z]{1,9}$/), value: fc.uint8Array({ maxLength: 30 }) }, { noNullPrototype: true }),
          fc.record({ name: fc.stringMatching(/^[a-z]{1,9}$/), value: fc.constant(null) }, { noNullPrototype: true }),
          fc.record(
            {
              name: fc.constant('gpgsig'),
              value: fc.array(fc.constantFrom('a', '', ' b'), { minLength: 1 }).map((lines) => utf8(lines.join('\n'))),
            },
            { noNullPrototype: true },
          ),
        ),
        { maxLength: 6 },
      ),
      message: fc.option(fc.uint8Array({ maxLength: 30 })),
    },
    { noNullPrototype: true },
  )
  const plain = (block: HeaderBlock) => ({
    headers: block.headers.map(({ name, value }) => [name, value === null ? null : latin(value)]),
    message: block.message === null ? null : latin(block.message),
  })

  test('come back', () => {
    fc.assert(fc.property(anyBlock, (block) => assert.deepEqual(plain(decodeHeaderBlock(encodeHeaderBlock(block))), plain(block))))
  })
  test('that can be read are written as they were', () => {
    const line = fc.constantFrom('tree x', 'a', ' b', '', ' ', 'c  d ', 'e\0f', 'gpgsig ')
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.boolean(), (lines, ends) => {
        const bytes = Buffer.from(lines.join('\n') + (ends ? '\n' : ''))
        onlyInputError(() => assert.equal(latin(encodeHeaderBlock(decodeHeaderBlock(bytes))), latin(bytes)))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('identities', () => {
  const read = (line: string) => {
    const { name, email, seconds, timezone, offsetMinutes } = parseIdentity(utf8(line))
    return [name, email, seconds, timezone, offsetMinutes]
  }
  test('plain and odd', () => {
    assert.deepEqual(read('A U Thor <a@b> 1700000000 +0130'), ['A U Thor', 'a@b', 1700000000, '+0130', 90])
    assert.deepEqual(read('Ä <a@b> 0 -0000'), ['Ä', 'a@b', 0, '-0000', 0])
    assert.deepEqual(read('A <a@b> 12 -0800'), ['A', 'a@b', 12, '-0800', -480])
    assert.deepEqual(read('A <a@b> 12'), ['A', 'a@b', 12, '', 0])
    assert.deepEqual(read('A <a@b>'), ['A', 'a@b', null, '', 0])
    assert.deepEqual(read('A <a@b> yesterday'), ['A', 'a@b', null, '', 0])
    assert.deepEqual(read('A <a> b> 12 +0100'), ['A', 'a', 12, '+0100', 60])
    assert.deepEqual(read('<> 99999999999999999999 +0100'), ['', '', null, '', 0])
    assert.deepEqual(read('nobody'), ['nobody', '', null, '', 0])
    assert.deepEqual(read('A <a@b> -5 +051800'), ['A', 'a@b', -5, '+051800', 31080])
  })
  test('come back', () => {
    const anyText = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/[<>\n\0]/g, '').trim())
    fc.assert(
      fc.property(anyText, anyText, fc.maxSafeNat(), fc.constantFrom('+0000', '-1130'), (name, email, seconds, timezone) => {
        const identity = parseIdentity(formatIdentity({ name, email, seconds, timezone }))
        assert.deepEqual(
          { ...identity, offsetMinutes: 0 },
          { name: identity.name, email: identity.email, seconds, timezone, offsetMinutes: 0 },
        )
        assert.equal(identity.email, email)
      }),
    )
  })
})

describe('commits', () => {
  const links = (text: string, format: ObjectFormat = 'sha1') => parseCommitLinks(utf8(text), format)
  const tree = 'ab'.repeat(20)
  const people = 'author A <a> 1 +0000\ncommitter C <c> 1234567890 +0100\n'

  test('give their links as offsets', () => {
    fc.assert(
      fc.property(
        anyFormat.chain((format) => fc.tuple(fc.constant(format), anyId(format), fc.array(anyId(format), { maxLength: 5 }))),
        ([format, treeId, parents]) => {
          const bytes = utf8(`tree ${hex(treeId)}\n${parents.map((id) => `parent ${hex(id)}\n`).join('')}${people}\nparent x`)
          const found = parseCommitLinks(bytes, format)
          assert.deepEqual([found.parentCount, found.committerTime], [parents.length, 1234567890])
          const out = new Uint8Array(hashBytes(format))
          readHexId(bytes, found.treeAt, format, out)
          assert.equal(hex(out), hex(treeId))
          for (const [n, parent] of parents.entries()) {
            readHexId(bytes, found.parentsAt + n * found.parentStride, format, out)
            assert.equal(hex(out), hex(parent))
          }
        },
      ),
    )
  })
  test('with odd dates have a time all the same', () => {
    const time = (committer: string) => links(`tree ${tree}\nauthor A <a> 5 +0000\ncommitter ${committer}\n\n`).committerTime
    assert.deepEqual(['C <c> 7 x', 'C <c>', 'C', 'C <c> then', 'C <c> -7 +0', 'C <c> > 9 +0', `C <c> ${'9'.repeat(40)}`].map(time), [
      7,
      0,
      0,
      0,
      0,
      9,
      Number.MAX_SAFE_INTEGER,
    ])
    assert.equal(links(`tree ${tree}\n`).committerTime, 0)
    assert.equal(links(`tree ${tree}\nauthor A`).committerTime, 0)
  })
  test('without links are refused', () => {
    for (const text of [
      '',
      'tree',
      `tree ${tree}`,
      `tree ${tree.toUpperCase()}\n`,
      `tree ${tree}x\n`,
      `tree ${tree}\nparent ${tree.slice(2)}\n`,
      `parent ${tree}\n`,
    ]) {
      assert.throws(() => links(text), InputError, text)
    }
  })
  test('are read whole', () => {
    const bytes = Buffer.from(
      `tree ${tree}\nparent ${tree}\nauthor J\xf6rg <j@x> 1 +0200\ncommitter C <c> 2 -0100\nencoding ISO-8859-1\ngpgsig -----BEGIN\n \n abc\n -----END\n` +
        `mergetag object ${tree}\n type commit\n tag v1\n \n text\nodd\n\nGr\xfc\xdfe\n`,
      'latin1',
    )
    const commit = decodeCommit(bytes, 'sha1')
    assert.equal(commit.author?.name, 'Jörg')
    assert.equal(commit.message, 'Grüße\n')
    assert.equal(commit.signature, '-----BEGIN\n\nabc\n-----END')
    assert.equal(commit.mergeTags.map(latin).join(), `object ${tree}\ntype commit\ntag v1\n\ntext`)
    assert.deepEqual([commit.parents, commit.encoding, commit.committer?.offsetMinutes], [[tree], 'ISO-8859-1', -60])
    assert.equal(commit.headers.length, 8)
    assert.equal(decodeCommit(utf8(`tree ${tree}\n${people}`), 'sha1').message, '')
    assert.equal(decodeCommit(utf8(`tree ${tree}\nencoding none-such\n\nü`), 'sha1').message, 'Ã¼')
    assert.throws(() => decodeCommit(utf8('tree x\n\n'), 'sha1'), InputError)
  })
})

describe('tags', () => {
  const id = 'cd'.repeat(20)
  const text = `object ${id}\ntype commit\ntag v1.0\ntagger T <t> 3 +0000\n\nmessage\n`
  test('give their target', () => {
    assert.deepEqual(parseTagTarget(utf8(text), 'sha1'), { objectAt: 7, object: id, kind: Kind.commit })
    assert.equal(parseTagTarget(utf8(`object ${'0e'.repeat(32)}\ntype tree\n`), 'sha256').kind, Kind.tree)
    for (const bad of [
      '',
      `object ${id}\n`,
      `object ${id}\ntype house\n`,
      `object ${id}\ntype commit`,
      text.replace('object', 'objekt'),
      text.replace('cd', 'CD'),
    ]) {
      assert.throws(() => parseTagTarget(utf8(bad), 'sha1'), InputError, bad)
    }
  })
  test('are read whole', () => {
    const tag = decodeTag(utf8(`${text}-----BEGIN SSH SIGNATURE-----\nabc\n-----END SSH SIGNATURE-----\n`), 'sha1')
    assert.deepEqual([tag.name, tag.tagger?.seconds, tag.message], ['v1.0', 3, 'message\n'])
    assert.match(tag.signature ?? '', /^-----BEGIN SSH/)
    const old = decodeTag(utf8(`object ${id}\ntype blob\ntag v0\n`), 'sha1')
    assert.deepEqual([old.tagger, old.message, old.signature], [null, '', null])
    assert.throws(() => decodeTag(utf8(`object ${id}\ntype blob\n`), 'sha1'), InputError)
  })
})
