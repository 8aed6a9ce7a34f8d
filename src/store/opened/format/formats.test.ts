// The formats of opened contents: what is decoded is what was encoded; noise and damage are told as such.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Seeded, seedOfRun } from '../../../../tests/support/seeded.ts'
import { CorruptError, hex, utf8 } from '../../../base/index.ts'
import { digestOf } from '../../digest.ts'
import { decodeForms, encodeForms } from '../../format/forms.ts'
import { decodeList, encodeEntry, type FileEntry, hasBody } from './file-list.ts'
import { parseGzipHeader } from './gzip-header.ts'
import { decodeForm, encodeForm, type OpenedForm } from './opened-form.ts'
import { noPax, parsePax } from './pax.ts'

const random = new Seeded(seedOfRun('formats of opened contents'))
const big = () => random.below(2 ** 31) * 2 ** random.below(20)
const digest = () => digestOf(random.bytes(32))

function anyForm(): OpenedForm {
  const headers = [random.bytes(10), random.bytes(300)]
  const recipes = [random.bytes(4), random.bytes(2)]
  const isCorrected = random.below(2) === 0
  const members = Array.from({ length: random.below(5) }, () => ({
    header: random.pick(headers),
    plainBytes: big(),
    recipe: random.pick(recipes),
    correctionBytes: isCorrected ? big() : 0,
  }))
  const sizes = { sizeBytes: big(), bodyBytes: big(), skeletonBytes: big(), listBytes: big(), plainBytes: big() }
  return {
    digest: digest(),
    inner: digest(),
    plain: digest(),
    ...sizes,
    isTar: random.below(2) === 0,
    container: random.below(3),
    members,
    trailing: random.bytes(random.below(9)),
  }
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7)
}

async function listOf(bytes: Uint8Array): Promise<(FileEntry & { bodyAt: number })[]> {
  const entries: (FileEntry & { bodyAt: number })[] = []
  for await (const entry of decodeList(inPieces(bytes))) entries.push(entry)
  return entries
}

test('a form is what it was, and no byte of it can change unseen', () => {
  for (let round = 0; round < 200; round++) {
    const form = anyForm()
    const bytes = encodeForm(form)
    const decoded = decodeForm(bytes)
    const plain = (one: OpenedForm) => ({
      ...one,
      trailing: hex(one.trailing),
      members: one.members.map(({ header, recipe, ...rest }) => [hex(header), hex(recipe), rest]),
    })
    assert.deepEqual(plain(decoded), plain(form))
    const changed = new Uint8Array(bytes)
    const at = random.below(changed.length)
    changed[at] = (changed[at] as number) ^ (1 << random.below(8))
    assert.throws(() => decodeForm(changed), CorruptError)
    assert.throws(() => decodeForm(bytes.subarray(0, random.below(bytes.length))), CorruptError)
  }
})

test('forms stand in a segment one behind the other', () => {
  const forms = Array.from({ length: 5 }, () => encodeForm(anyForm()))
  const section = encodeForms(forms)
  assert.deepEqual(decodeForms(section).map(hex), forms.map(hex))
  assert.deepEqual(decodeForms(new Uint8Array()), [])
  assert.throws(() => decodeForms(section.subarray(0, -1)), CorruptError)
})

test('a file list is what it was, with the places of bodies', async () => {
  const entries = Array.from({ length: 300 }, (): FileEntry => {
    const type = random.pick(['0', '1', '2', '5', 'S', '3'])
    const isFile = type === '0'
    const body = hasBody({ type }) ? big() % 2 ** 31 : 0
    return {
      path: random.bytes(random.below(200)),
      mode: random.below(0o7777),
      type,
      sizeBytes: big(),
      bodyBytes: body,
      link: type === '1' || type === '2' ? random.bytes(random.below(50)) : new Uint8Array(),
      gitBlob: isFile ? random.bytes(20) : null,
      sha256: isFile ? random.bytes(32) : null,
    }
  })
  const bytes = Buffer.concat(entries.map(encodeEntry))
  let bodyAt = 0
  const expected = entries.map((entry) => {
    const placed = { ...entry, bodyAt }
    bodyAt += entry.bodyBytes
    return placed
  })
  assert.deepEqual(await listOf(bytes), expected)
  await assert.rejects(listOf(bytes.subarray(0, -1)), CorruptError)
})

test('noise is no file list, or one: nothing else happens', async () => {
  for (let round = 0; round < 200; round++) {
    await listOf(random.bytes(random.below(400))).catch((error: unknown) => assert.ok(error instanceof CorruptError, String(error)))
    await assert.rejects(async () => decodeForm(random.bytes(random.below(400))), CorruptError)
  }
})

test('gzip headers: every field, cut anywhere, and what is none', () => {
  const fixed = [0x1f, 0x8b, 8]
  const plain = Buffer.from([...fixed, 0, 0, 0, 0, 0, 2, 3])
  const full = Buffer.concat([
    Buffer.from([...fixed, 2 + 4 + 8 + 16, 0, 0, 0, 0, 4, 255, 5, 0]),
    utf8('extraname\0comment\0'),
    Buffer.from([1, 2]),
  ])
  assert.deepEqual(parseGzipHeader(plain), { sizeBytes: 10, xfl: 2, os: 3 })
  assert.deepEqual(parseGzipHeader(Buffer.concat([full, random.bytes(50)])), { sizeBytes: full.length, xfl: 4, os: 255 })
  for (let cut = 0; cut < full.length; cut++) assert.equal(parseGzipHeader(full.subarray(0, cut)), 'more')
  assert.equal(parseGzipHeader(Buffer.from([0x1f, 0x8b, 9])), null)
  assert.equal(parseGzipHeader(Buffer.from([...fixed, 0x20, 0, 0, 0, 0, 0, 0])), null)
  assert.equal(parseGzipHeader(Buffer.concat([Buffer.from([...fixed, 8, 0, 0, 0, 0, 0, 0]), Buffer.alloc(100_000, 1)])), null)
})

test('PAX records: sizes that are none, lengths that lie', () => {
  assert.equal(parsePax(utf8('9 size=5\n'))?.sizeBytes, 5)
  assert.equal(parsePax(utf8('8 size=\n'))?.sizeBytes, null)
  assert.deepEqual(parsePax(utf8('8 path=\n13 linkpath=\n')), noPax) // POSIX.1-2008: the header's count again
  for (const bad of [
    '9 size=x\n',
    '10 size=-1\n',
    '09 size=5\n',
    '8 size=5\n',
    '99 size=5\n',
    'size=5\n',
    '9 size5=\n\n',
    ' ',
    '99999999999 a=b\n',
  ]) {
    assert.equal(parsePax(utf8(bad)), null, bad)
  }
})
