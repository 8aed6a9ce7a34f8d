// Tar headers at the edges that no test repository reaches: sizes and times beyond ustar's fields. Whole archives: archive/archive.test.ts.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, latin1, utf8 } from '../../base/index.ts'
import { encodeTarEnd, encodeTarEntry, encodeTarStart, tarPadding } from './tar.ts'

const rules = { time: 1_700_000_000, umask: 0o022 }
const oid = 'ab'.repeat(20)

test('a file of more than 8 GiB says its size in a pax header', () => {
  const sizeBytes = 2 ** 33
  const bytes = encodeTarEntry({ path: utf8('large'), mode: 0o100644, oid, sizeBytes }, rules)
  assert.equal(bytes.length, 3 * 512)
  assert.equal(latin1(bytes.subarray(0, 51)).replaceAll('\0', ''), `${oid}.paxheader`)
  assert.match(latin1(bytes.subarray(512, 1024)), /^19 size=8589934592\n\0/)
  assert.equal(latin1(bytes.subarray(1024 + 124, 1024 + 135)), '00000000000')
  const fits = encodeTarEntry({ path: utf8('large'), mode: 0o100644, oid, sizeBytes: sizeBytes - 1 }, rules)
  assert.equal(latin1(fits.subarray(124, 135)), '77777777777')
})

test('a time beyond the year 2242 stands in the global header', () => {
  const start = encodeTarStart(oid, { ...rules, time: 2 ** 33 + 5 })
  assert.match(latin1(start.subarray(512)), /^52 comment=(ab){20}\n20 mtime=8589934597\n\0/)
  assert.equal(encodeTarStart(null, rules).length, 0)
})

test('an archive ends in two empty records at least, at a multiple of twenty', () => {
  fc.assert(
    fc.property(fc.nat(100), (records) => {
      const end = encodeTarEnd(records * 512)
      assert.ok(end.length >= 1024 && end.every((byte) => byte === 0))
      assert.equal((records * 512 + end.length) % 10240, 0)
    }),
  )
})

test('any path and content comes out of GNU tar as it went in', () => {
  const name = fc
    .string({ unit: fc.constantFrom('a', 'b', 'ü', '-', '.', ' '), minLength: 1, maxLength: 70 })
    .filter((text) => !/^\.+$/.test(text))
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 6 }), fc.string({ maxLength: 1500 }), (parts, text) => {
      const path = parts.join('/')
      const content = utf8(text)
      const entry = encodeTarEntry({ path: utf8(path), mode: 0o100755, oid, sizeBytes: content.length }, rules)
      const tar = concatBytes([encodeTarStart(oid, rules), entry, content, tarPadding(content.length)])
      const input = concatBytes([tar, encodeTarEnd(tar.length)])
      const env = { ...process.env, LC_ALL: 'C.UTF-8' }
      assert.equal(execFileSync('tar', ['-tf', '-', '--quoting-style=literal'], { input, env }).toString(), `${path}\n`)
      assert.ok(execFileSync('tar', ['-xOf', '-'], { input }).equals(content))
    }),
    { numRuns: 30 },
  )
})
