import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { concatBytes, hex, InputError } from '../../base/index.ts'
import { createHash } from 'node:crypto'
import { encodeDelta } from './delta.ts'
import { decodeIdx, encodeIdx, entryCrc, type IdxParts } from './idx.ts'
import { hashObject, objectIdOf } from './object.ts'
import { hashBytes, Kind, type ObjectFormat } from './object-id.ts'
import { decodeEntryHeader, decodePackHeader, encodeEntryHeader, encodePackHeader, EntryType, MAX_ENTRY_HEADER_BYTES } from './pack.ts'

const anyFormat = fc.constantFrom<ObjectFormat>('sha1', 'sha256')
const anySize = fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.maxSafeNat())

describe('pack headers', () => {
  test('come back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (count) =>
        assert.deepEqual(decodePackHeader(encodePackHeader(count)), { version: 2, objectCount: count }),
      ),
    )
  })
  test('ask for more bytes, refuse others', () => {
    assert.equal(decodePackHeader(encodePackHeader(1).subarray(0, 11)), null)
    assert.throws(() => decodePackHeader(Buffer.from('PAX')), InputError)
    assert.throws(() => decodePackHeader(Buffer.from('PACK\0\0\0\x04\0\0\0\0')), /pack version 4 unsupported/)
  })
})

describe('entry headers', () => {
  const twelve = (byte: number) => Array.from({ length: 12 }, () => byte)
  test('come back, and every shorter piece asks for more', () => {
    const anyBase = fc.oneof(
      fc.constant(null),
      fc.integer({ min: 1, max: 70000 }),
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1 }),
      fc.constant('id' as const),
    )
    fc.assert(
      fc.property(anyFormat, fc.constantFrom(1, 2, 3, 4), anySize, anyBase, (format, kind, sizeBytes, base) => {
        const id = new Uint8Array(hashBytes(format)).fill(0xab)
        const type = (base === null ? kind : base === 'id' ? EntryType.refDelta : EntryType.ofsDelta) as EntryType
        const bytes = encodeEntryHeader(type, sizeBytes, base === 'id' ? id : (base ?? undefined))
        assert.ok(bytes.length <= MAX_ENTRY_HEADER_BYTES)
        const header = decodeEntryHeader(concatBytes([Uint8Array.of(9), bytes]), 1, format)
        assert.equal(header?.type, type)
        assert.equal(header?.sizeBytes, sizeBytes)
        assert.equal(header?.headerBytes, bytes.length)
        assert.equal(header?.baseDistance, typeof base === 'number' ? base : 0)
        assert.equal(header?.baseId === null ? null : hex(header?.baseId ?? new Uint8Array()), base === 'id' ? hex(id) : null)
        for (let cut = 0; cut < bytes.length; cut++) assert.equal(decodeEntryHeader(bytes.subarray(0, cut), 0, format), null)
      }),
    )
  })
  const refuses = (code: string, ...bytes: number[]) =>
    assert.throws(
      () => decodeEntryHeader(Uint8Array.from(bytes), 0, 'sha1'),
      (error) => error instanceof InputError && error.code === code,
    )
  test('refuse what is no entry', () => {
    refuses('pack-entry-type', 0x00)
    refuses('pack-entry-type', 0x50)
    refuses('pack-entry-size', 0x9f, ...twelve(0xff))
    refuses('pack-entry-size', 0x90, ...twelve(0x80))
    refuses('pack-base-offset', 0x60, 0)
    refuses('pack-base-offset', 0x60, ...twelve(0xff))
  })
  test('noise throws only InputError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), anyFormat, (noise, format) => {
        for (const decode of [() => decodeEntryHeader(noise, 0, format), () => decodePackHeader(noise), () => decodeIdx(noise, format)]) {
          try {
            decode()
          } catch (error) {
            assert.ok(error instanceof InputError)
          }
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('idx files', () => {
  const anyIdx = fc
    .tuple(
      anyFormat,
      fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.nat()), { selector: (pair) => pair.join(), maxLength: 60 }),
    )
    .chain(([format, seeds]) => {
      const ids = seeds
        .map((seed) => {
          const id = createHash(format).update(seed.join()).digest()
          id[0] = seed[0]
          return id
        })
        .sort(Buffer.compare)
      return fc.record<IdxParts>({
        format: fc.constant(format),
        oids: fc.constant(concatBytes(ids)),
        crcs: fc
          .array(fc.integer({ min: 0, max: 0xffffffff }), { minLength: ids.length, maxLength: ids.length })
          .map((list) => Uint32Array.from(list)),
        offsets: fc.array(anySize, { minLength: ids.length, maxLength: ids.length }).map((list) => Float64Array.from(list)),
        packHash: fc.constant(new Uint8Array(hashBytes(format)).fill(0x11)),
      })
    })

  test('come back', () => {
    fc.assert(fc.property(anyIdx, (parts) => assert.deepEqual(decodeIdx(encodeIdx(parts), parts.format), { ...parts })))
  })
  test('any changed byte is noticed', () => {
    fc.assert(
      fc.property(anyIdx, fc.nat(), fc.integer({ min: 1, max: 255 }), (parts, at, flip) => {
        const bytes = encodeIdx(parts)
        bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ flip
        assert.throws(() => decodeIdx(bytes, parts.format), InputError)
      }),
    )
  })
})

describe('the real git', () => {
  const temp = new TempFolder('stemma-pack')
  const git = new Git(temp)
  after(() => temp.remove())

  for (const format of ['sha1', 'sha256'] as const) {
    test(`reads our ${format} pack and makes our idx of it`, async () => {
      const repository = temp.join(format)
      await git.run(['init', '-q', '--bare', `--object-format=${format}`, repository])
      const { pack, parts } = makePack(format)
      await git.run(['index-pack', '--stdin', '--index-version=2'], { cwd: repository, input: pack })
      const name = hex(parts.packHash)
      const { readFileSync } = await import('node:fs')
      const theirs = new Uint8Array(readFileSync(`${repository}/objects/pack/pack-${name}.idx`))
      assert.equal(hex(theirs), hex(encodeIdx(parts)))
      assert.deepEqual(decodeIdx(theirs, format), parts)
      // git moves offsets from a chosen one on to the 64-bit table, as we do.
      await git.run(['index-pack', '--index-version=2,0x40', '-o', `${repository}/x.idx`, `${repository}/objects/pack/pack-${name}.pack`], {
        cwd: repository,
      })
      assert.equal(hex(new Uint8Array(readFileSync(`${repository}/x.idx`))), hex(encodeIdx(parts, 0x40)))
    })
  }

  test('understands our objects’ names', async () => {
    const repository = temp.join('names')
    await git.run(['init', '-q', '--bare', repository])
    const id = await git.read(['hash-object', '--stdin'], { cwd: repository, input: 'hello\n' })
    assert.equal(objectIdOf(Kind.blob, Buffer.from('hello\n'), 'sha1'), id)
  })
})

/** A pack with whole objects and both kinds of delta, and its index. */
function makePack(format: ObjectFormat): { pack: Uint8Array; parts: IdxParts } {
  const texts = Array.from({ length: 9 }, (_, i) => Buffer.from('some line of text\n'.repeat(30) + `${i}\n`.repeat(i)))
  const [first] = texts as [Buffer]
  const parts: Uint8Array[] = [encodePackHeader(texts.length)]
  const entries: { oid: Uint8Array; offset: number; crc: number }[] = []
  let at = 12
  for (const [i, text] of texts.entries()) {
    const delta = encodeDelta(first, text)
    const header =
      i === 0
        ? encodeEntryHeader(Kind.blob, text.length)
        : i % 2 === 0
          ? encodeEntryHeader(EntryType.ofsDelta, delta.length, at - 12)
          : encodeEntryHeader(EntryType.refDelta, delta.length, hashObject(Kind.blob, first, format))
    const entry = concatBytes([header, deflateSync(i === 0 ? text : delta)])
    entries.push({ oid: hashObject(Kind.blob, text, format), offset: at, crc: entryCrc(entry) })
    parts.push(entry)
    at += entry.length
  }
  entries.sort((a, b) => Buffer.compare(a.oid, b.oid))
  const packHash = new Uint8Array(createHash(format).update(concatBytes(parts)).digest())
  return {
    pack: concatBytes([...parts, packHash]),
    parts: {
      format,
      oids: concatBytes(entries.map(({ oid }) => oid)),
      crcs: Uint32Array.from(entries, ({ crc }) => crc),
      offsets: Float64Array.from(entries, ({ offset }) => offset),
      packHash,
    },
  }
}
