import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expectedDigest } from './integrity.ts'
import { tarballUrl } from './tarball-url.ts'

const base64 = (length: number, fill: number) => Buffer.alloc(length, fill).toString('base64')
const hex = (length: number, fill: number) => Buffer.alloc(length, fill).toString('hex')

test('the strongest digest that is named counts', () => {
  const shasum = hex(20, 1)
  assert.equal(
    expectedDigest({ integrity: `sha1-${base64(20, 2)} sha512-${base64(64, 3)}?x sha256-${base64(32, 4)}`, shasum }),
    `sha512:${hex(64, 3)}`,
  )
  assert.equal(expectedDigest({ integrity: `sha1-${base64(20, 2)}`, shasum }), `sha1:${hex(20, 2)}`)
  assert.equal(expectedDigest({ integrity: 'sha512-short md5-x', shasum: shasum.toUpperCase() }), `sha1:${shasum}`)
  for (const nothing of [null, '', 'sha512-', 'none']) assert.equal(expectedDigest({ integrity: nothing, shasum: null }), null)
  assert.equal(expectedDigest({ integrity: null, shasum: 'x' }), null)
})

test('where tarballs are fetched', () => {
  const up = 'https://up.example/npm'
  assert.equal(tarballUrl('https://up.example/npm/a/-/a-1.0.0.tgz', up), 'https://up.example/npm/a/-/a-1.0.0.tgz')
  assert.equal(tarballUrl('http://up.example/npm/a/-/a.tgz?x', up), 'https://up.example/npm/a/-/a.tgz?x')
  assert.equal(tarballUrl('https://cdn.example/a.tgz', up), 'https://cdn.example/a.tgz')
  assert.equal(tarballUrl('https://registry.npmjs.org/a/-/a-1.0.0.tgz', up), 'https://up.example/npm/a/-/a-1.0.0.tgz')
  assert.equal(tarballUrl('http://cdn.example/a.tgz', 'http://up.example'), 'http://cdn.example/a.tgz')
  for (const text of ['http://cdn.example/a.tgz', 'ftp://cdn.example/a', 'file:///etc/passwd', 'https://u:p@cdn.example/a', 'https://']) {
    assert.equal(tarballUrl(text, up), null, text)
  }
})
