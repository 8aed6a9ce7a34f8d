// Documents taken apart: the same as JSON.parse has it wherever they are cut, and what is refused.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes, InputError, utf8 } from '../../base/index.ts'
import { Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import { type DocumentLimits, DocumentSplitter } from './document-splitter.ts'

const limits: DocumentLimits = { documentBytes: 1 << 20, depth: 20, nodes: 1000 }

interface Taken {
  readonly document: unknown
  readonly tarballs: ReadonlyMap<string, string>
}

/** @param cuts how many bytes come at once, over and over */
function take(text: string | Uint8Array, cuts: () => number = () => 7, with_ = limits): Taken {
  const bytes = typeof text === 'string' ? utf8(text) : text
  const splitter = new DocumentSplitter(with_)
  const tarballs = new Map<string, string>()
  let open: { readonly name: string; readonly pieces: Uint8Array[] } | null = null
  for (let at = 0; at < bytes.length; ) {
    const count = cuts()
    for (const piece of splitter.push(bytes.slice(at, at + count))) {
      if (piece.kind === 'begin') open = { name: piece.name, pieces: [] }
      else if (piece.kind === 'data') open?.pieces.push(new Uint8Array(piece.bytes))
      else if (open !== null) tarballs.set(open.name, Buffer.from(concatBytes(open.pieces)).toString())
    }
    at += count
  }
  return { document: splitter.finish(), tarballs }
}

function refusal(text: string | Uint8Array, with_ = limits): string {
  try {
    take(text, undefined, with_)
  } catch (error) {
    if (error instanceof InputError) return error.code
    throw error
  }
  return 'taken'
}

/** Any JSON value, with keys that mean something here among others. */
function value(seeded: Seeded, depth: number): unknown {
  const kind = seeded.below(depth > 4 ? 5 : 8)
  if (kind === 0) return seeded.below(1e6) - 5e5
  if (kind === 1) return seeded.pick([true, false, null, 1.5e-7])
  if (kind < 5) return seeded.pick(['', 'plain', 'q"uo\\te', 'Zeile\n\u2028', '鍵😀', '{[",:', 'x'.repeat(200)])
  if (kind === 5) return Array.from({ length: seeded.below(4) }, () => value(seeded, depth + 1))
  const keys = ['data', '_attachments', 'a-1.0.0.tgz', 'a-1.0.0.sigstore', 'constructor', 'prototype', 'k"ey', 'ключ', '', 'x']
  return Object.fromEntries(Array.from({ length: seeded.below(6) }, () => [seeded.pick(keys), value(seeded, depth + 1)]))
}

function document(seeded: Seeded) {
  const attachments = {
    'a-1.0.0.tgz': { data: seeded.pick(['', 'QUJD', 'QUJDRA==', 'a/b+/'.repeat(50)]), length: 3 },
    'a-1.0.0.sigstore': { data: '{"a":"b"}', content_type: 'x' },
    odd: value(seeded, 2),
  }
  const parts = Object.entries({
    name: 'a',
    versions: value(seeded, 1),
    _attachments: attachments,
    'dist-tags': value(seeded, 1),
    data: 'outside',
  })
  return Object.fromEntries(parts.toSorted(() => seeded.below(3) - 1))
}

/** What is expected: the strings out of their places. */
function expected(text: string): Taken {
  const parsed = JSON.parse(text) as { _attachments: Record<string, unknown> }
  const tarballs = new Map<string, string>()
  for (const [name, one] of Object.entries(parsed._attachments)) {
    if (name.endsWith('.sigstore') || one === null || typeof one !== 'object' || Array.isArray(one)) continue
    const attachment = one as { data?: unknown }
    if (typeof attachment.data !== 'string') continue
    tarballs.set(name, attachment.data)
    attachment.data = ''
  }
  return { document: parsed, tarballs }
}

describe('documents', () => {
  test('any document, cut anywhere, is what JSON.parse makes of it, without its tarballs', () => {
    const seeded = new Seeded(seedOfRun('documents'))
    for (let n = 0; n < 2000; n++) {
      const plain = JSON.stringify(document(seeded), null, seeded.below(3))
      // as other writers escape
      const text = seeded.below(2) === 0 ? plain : plain.replaceAll('/', seeded.pick(['\\/', '\\u002f', '/']))
      assert.deepEqual(
        take(text, () => 1 + seeded.below(30)),
        expected(text),
        `seed ${seeded.seed}: ${text}`,
      )
    }
  })

  test('what JSON.parse refuses is refused, and what it takes is taken, of mutated documents', () => {
    const seeded = new Seeded(seedOfRun('mutated documents'))
    for (let n = 0; n < 4000; n++) {
      const text = JSON.stringify(document(seeded))
      const at = seeded.below(text.length)
      const mutated =
        text.slice(0, at) + seeded.pick(['', '"', '{', '}', '[', ']', ',', ':', '\\', '0', 'e']) + text.slice(at + seeded.below(2))
      let isJson = true
      try {
        JSON.parse(mutated)
      } catch {
        isJson = false
      }
      const verdict = refusal(mutated)
      // a key twice is JSON, and refused here all the same; so is an escape in the strings that are cut out
      if (!isJson) assert.equal(verdict, 'bad-document', `seed ${seeded.seed}: ${mutated}`)
      else assert.ok(verdict === 'taken' || hasTwice(mutated), `seed ${seeded.seed}: ${mutated}`)
    }
  })

  test('keys in escapes are the keys that they are', () => {
    const text = '{"\\u005fattachments":{"a\\u002etgz":{"d\\u0061ta":"QUJD"}}}'
    assert.deepEqual(take(text), { document: { _attachments: { 'a.tgz': { data: '' } } }, tarballs: new Map([['a.tgz', 'QUJD']]) })
  })

  test('keys that lead to prototypes: __proto__ is refused, also in escapes, the others are keys', () => {
    assert.equal(refusal('{"a":{"__proto__":{"isAdmin":true}}}'), 'bad-document')
    assert.equal(refusal('{"_attachments":{"\\u005f_proto__":{}}}'), 'bad-document')
    const { document } = take('{"constructor":{"prototype":{"isAdmin":true}}}')
    assert.deepEqual(Object.keys(document as object), ['constructor'])
    assert.equal(({} as { isAdmin?: boolean }).isAdmin, undefined)
  })

  test('a key that stands twice in one object is refused', () => {
    assert.equal(refusal('{"name":"a","name":"b"}'), 'bad-document')
    assert.equal(refusal('{"name":"a","n\\u0061me":"b"}'), 'bad-document')
    assert.equal(refusal('{"a":{"name":1},"b":{"name":1}}'), 'taken')
  })

  test('bombs: too deep, too many keys, too many lists, too long a key, too large', () => {
    assert.equal(refusal('['.repeat(100_000)), 'bad-document')
    assert.equal(refusal('{"a":'.repeat(21)), 'bad-document')
    assert.equal(refusal(`{${Array.from({ length: 1001 }, (_, n) => `"${n}":0`).join()}}`), 'bad-document')
    assert.equal(refusal(`[${'[],'.repeat(1001)}0]`), 'bad-document')
    assert.equal(refusal(`{"${'k'.repeat(2000)}":0}`), 'bad-document')
    assert.equal(refusal(`{"readme":"${'r'.repeat(2 << 20)}"}`), 'too-large')
    assert.equal(refusal(' '.repeat(2 << 20)), 'too-large')
  })

  test('a tarball of any size is no part of the document', () => {
    const { tarballs } = take(`{"_attachments":{"a.tgz":{"data":"${'QUJD'.repeat(1 << 20)}"}}}`, () => 60_000)
    assert.equal(tarballs.get('a.tgz')?.length, 4 << 20)
  })

  test('bytes that are not UTF-8, a byte order mark, nothing at all, and half a document are refused', () => {
    assert.equal(refusal(concatBytes([utf8('{"name":"'), new Uint8Array([0xff]), utf8('"}')])), 'bad-document')
    assert.equal(refusal('\ufeff{}'), 'bad-document')
    assert.equal(refusal(''), 'bad-document')
    assert.equal(refusal('{"_attachments":{"a.tgz":{"data":"QUJD'), 'bad-document')
    assert.equal(refusal('{"_attachments":{"a.tgz":{"data":"QU\\x'), 'bad-document')
  })
})

function hasTwice(text: string): boolean {
  let count = 0
  JSON.parse(text, (_key, value: unknown) => {
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) count += Object.keys(value).length
    return value
  })
  return count < (text.match(/"\s*:/g)?.length ?? 0)
}
