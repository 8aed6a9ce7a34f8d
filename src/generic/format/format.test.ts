// Names that stand in URLs and folders as they are, and digests as clients say them.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { InputError } from '../../base/index.ts'
import { expectedDigest } from './expected-digest.ts'
import { isName } from './names.ts'

test('names', () => {
  for (const [kind, good] of [
    ['package', ['a', 'A-b_c.d', '7zip', 'x'.repeat(128)]],
    ['version', ['1.0.0', '1.0.0+build.5', '2024-01-01', '1~rc1', '0']],
    ['file', ['a.tar.gz', '_x', 'App@2x.png', 'a+b~c-d']],
  ] as const)
    for (const name of good) assert.ok(isName(kind, name), `${kind} ${name}`)
  for (const kind of ['package', 'version', 'file'] as const)
    for (const bad of ['', '.', '..', '.a', '-a', 'a..b', 'a/b', 'a\\b', 'a b', 'a\n', 'a%', 'ä', 'a:b', 'x'.repeat(256)])
      assert.ok(!isName(kind, bad), `${kind} ${JSON.stringify(bad)}`)
})

test('digests', () => {
  const [sha256, sha512] = ['sha256', 'sha512'].map((name) => createHash(name).update('x').digest()) as [Buffer, Buffer]
  const base64 = (bytes: Buffer) => `:${bytes.toString('base64')}:`
  assert.equal(expectedDigest({}), null)
  assert.equal(expectedDigest({ 'content-digest': 'md5=:AAAA:' }), null)
  assert.deepEqual(expectedDigest({ 'x-checksum-sha256': sha256.toString('hex').toUpperCase() }), { algorithm: 'sha256', digest: sha256 })
  const both = `sha-512=${base64(sha512)}, sha-256=${base64(sha256)}`
  assert.deepEqual(expectedDigest({ 'content-digest': both }), { algorithm: 'sha256', digest: sha256 })
  assert.deepEqual(expectedDigest({ 'content-digest': `sha-512=${base64(sha512)}` }), { algorithm: 'sha512', digest: sha512 })
  const bad = [
    { 'x-checksum-sha256': 'ab' },
    { 'x-checksum-sha256': `${sha256.toString('hex')}0` },
    { 'content-digest': 'sha-256=abc' },
    { 'content-digest': `sha-256=${base64(sha512)}` },
  ]
  for (const headers of bad)
    assert.throws(
      () => expectedDigest(headers),
      (error) => error instanceof InputError && error.code === 'bad-digest',
    )
})
