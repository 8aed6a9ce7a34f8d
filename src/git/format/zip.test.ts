// Zip records at the edges that no test archive reaches: numbers beyond 32 bits, many entries, names in other encodings.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { asBuffer, concatBytes, latin1, utf8 } from '../../base/index.ts'
import { encodeZipDescriptor, encodeZipDirectoryEntry, encodeZipEnd, encodeZipHeader, type ZipEntry, ZipMethod } from './zip.ts'

const folder = mkdtempSync(join(tmpdir(), 'zip-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const time = { seconds: 1_700_000_001 }
const plain: ZipEntry = {
  path: utf8('a.txt'),
  mode: 0o100644,
  offset: 0,
  method: ZipMethod.store,
  isStreamed: false,
  sizeBytes: 0,
  storedBytes: 0,
  crc: 0,
  isText: true,
}
const huge = 5 * 2 ** 32 + 7

test('large numbers stand in zip64 fields, wherever they are', () => {
  const entry = { ...plain, sizeBytes: huge, storedBytes: huge - 1, offset: huge + 1 }
  const header = asBuffer(encodeZipHeader(entry, time))
  assert.equal(header.readUInt16LE(4), 45)
  assert.deepEqual([header.readUInt32LE(18), header.readUInt32LE(22)], [0xffffffff, 0xffffffff])
  assert.deepEqual(
    [header.readBigUInt64LE(header.length - 16), header.readBigUInt64LE(header.length - 8)],
    [BigInt(huge), BigInt(huge - 1)],
  )
  const line = asBuffer(encodeZipDirectoryEntry(entry, time))
  assert.deepEqual(
    [24, 16, 8].map((back) => line.readBigUInt64LE(line.length - back)),
    [BigInt(huge), BigInt(huge - 1), BigInt(huge + 1)],
  )
  const streamed = { ...plain, isStreamed: true, sizeBytes: 2 ** 31, storedBytes: 10, crc: 1 }
  assert.equal(asBuffer(encodeZipHeader(streamed, time)).readUInt32LE(22), 0xffffffff)
  assert.equal(encodeZipDescriptor(streamed).length, 24)
  const small = { ...streamed, sizeBytes: 100 }
  assert.equal(asBuffer(encodeZipHeader(small, time)).readUInt32LE(22), 0)
  assert.equal(encodeZipDescriptor(small).length, 16)
  const end = asBuffer(encodeZipEnd({ entries: 3, offset: huge, sizeBytes: 100 }, ''))
  assert.equal(end.length, 56 + 20 + 22)
  assert.equal(end.readBigUInt64LE(48), BigInt(huge))
  assert.equal(end.readBigUInt64LE(56 + 8), BigInt(huge + 100))
})

test('more than 65535 entries are all there', () => {
  const parts: Uint8Array[] = []
  const lines: Uint8Array[] = []
  let offset = 0
  for (let i = 0; i < 70_000; i++) {
    const entry = { ...plain, path: utf8(`${i}`), offset }
    const header = encodeZipHeader(entry, time)
    parts.push(header)
    lines.push(encodeZipDirectoryEntry(entry, time))
    offset += header.length
  }
  const directory = concatBytes(lines)
  const end = encodeZipEnd({ entries: 70_000, offset, sizeBytes: directory.length }, 'comment')
  const path = join(folder, 'many.zip')
  writeFileSync(path, concatBytes([...parts, directory, end]))
  assert.match(execFileSync('unzip', ['-Zh', path]).toString(), /number of entries: 70000/)
  execFileSync('unzip', ['-tqq', path])
})

test('names say that they are UTF-8 when they are; times before 1980 are 1980', () => {
  const flags = (path: Uint8Array) => asBuffer(encodeZipHeader({ ...plain, path }, time)).readUInt16LE(6)
  assert.deepEqual([flags(utf8('a')), flags(utf8('ä')), flags(Uint8Array.of(0xe4))], [0, 2048, 0])
  const old = asBuffer(encodeZipHeader(plain, { seconds: 5 }))
  assert.deepEqual([old.readUInt16LE(10), old.readUInt16LE(12)], [0, 33])
  const now = asBuffer(encodeZipHeader(plain, time))
  assert.deepEqual([now.readUInt16LE(10), now.readUInt16LE(12)], [(22 << 11) | (13 << 5) | 10, (43 << 9) | (11 << 5) | 14])
  assert.equal(latin1(encodeZipEnd({ entries: 0, offset: 0, sizeBytes: 0 }, 'abc').subarray(-3)), 'abc')
})
