import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../../base/index.ts'
import { SeededRandom } from '../../../tests/support/random.ts'
import { assertDigest, digestText, isDigest, parseDigest } from './digests.ts'
import { assertImageName, isTag, parseImageName, referrersTag } from './names.ts'
import { parseTarget } from './target.ts'

const zeros = `sha256:${'0'.repeat(64)}`

test('names: components with single separators, parted by slashes, the first is the owner', () => {
  for (const text of [
    'a/b',
    'olive/the-app',
    'a/b/c/d',
    'a/b.c',
    'a/b__c',
    'a/b---c',
    '0/1',
    `a/${'b'.repeat(253)}`,
    'blobs/uploads/manifests',
  ]) {
    const name = parseImageName(text)
    assert.equal(name?.text, text)
    assert.equal(`${name?.owner}/${name?.image}`, text)
  }
  for (const text of [
    '',
    'a',
    'a/',
    '/a',
    'a//b',
    'A/b',
    'a/B',
    'a/b_',
    'a/_b',
    'a/b..c',
    'a/b___c',
    'a/b._c',
    'a/.',
    'a/..',
    'a/b c',
    'a/é',
    'a/b\0',
    'a/b\n',
  ]) {
    assert.equal(parseImageName(text), null, JSON.stringify(text))
  }
  assert.equal(parseImageName(`a/${'b'.repeat(254)}`), null)
  assert.throws(() => assertImageName('ubuntu'), /begins with its owner/)
})

test('tags: 128 characters, none of dot and hyphen first', () => {
  for (const text of ['latest', 'v1.0', '_', 'A', '1-2_3.4', 'a'.repeat(128)]) assert.ok(isTag(text), text)
  for (const text of ['', '.a', '-a', 'a'.repeat(129), 'a b', 'a/b', 'a:b', 'é', 'a\n']) assert.ok(!isTag(text), text)
})

test('digests: two algorithms, lower case, as long as they are', () => {
  const long = `sha512:${'ab'.repeat(64)}`
  for (const text of [zeros, long]) assert.equal(digestText(assertDigest(text).bytes), text)
  for (const text of [
    '',
    'sha256:',
    zeros.slice(1),
    `${zeros}0`,
    zeros.slice(0, -1),
    zeros.toUpperCase(),
    `md5:${'0'.repeat(32)}`,
    `sha512:${'0'.repeat(64)}`,
    `${zeros}\n`,
  ]) {
    assert.equal(parseDigest(text), null)
    assert.ok(!isDigest(text))
  }
  assert.throws(() => assertDigest(undefined), InputError)
  assert.throws(() => assertDigest([zeros]), InputError)
})

test('the tag of referrers, as clients of old make it', () => {
  assert.equal(referrersTag({ text: `sha256:${'a'.repeat(64)}` }), `sha256-${'a'.repeat(64)}`)
  assert.equal(referrersTag({ text: `sha512:${'a'.repeat(128)}` }), `sha512-${'a'.repeat(64)}`)
  const long =
    'test+algorithm+using+algorithm+separators+and+lots+of+characters+to+excercise+overall+truncation:alsoSome=InTheEncodedSectionToShowHyphenReplacementAndLotsAndLotsOfCharactersToExcerciseEncodedTruncation'
  assert.equal(
    referrersTag({ text: long }),
    'test-algorithm-using-algorithm-s-alsoSome-InTheEncodedSectionToShowHyphenReplacementAndLotsAndLot',
  )
})

test('paths are read from their end, whatever components are called', () => {
  const kindOf = (path: string) => {
    const target = parseTarget(path)
    return target && [target.kind, target.name.text]
  }
  assert.deepEqual(kindOf('a/b/manifests/latest'), ['manifest', 'a/b'])
  assert.deepEqual(kindOf('a/manifests/manifests/latest'), ['manifest', 'a/manifests'])
  assert.deepEqual(kindOf(`a/blobs/uploads/blobs/${zeros}`), ['blob', 'a/blobs/uploads'])
  assert.deepEqual(kindOf('a/b/blobs/uploads'), ['uploads', 'a/b'])
  assert.deepEqual(kindOf('a/b/blobs/uploads/'), ['uploads', 'a/b'])
  assert.deepEqual(kindOf('a/b/blobs/uploads/some-id'), ['upload', 'a/b'])
  assert.deepEqual(kindOf('a/tags/list/tags/list'), ['tags', 'a/tags/list'])
  assert.deepEqual(kindOf(`a/b/referrers/${zeros}`), ['referrers', 'a/b'])
  for (const path of [
    '',
    'a',
    'a/b',
    'a/b/',
    'a/b/xmanifests/latest',
    'a/b/manifests/',
    'a/b/tags',
    'a/b/tags/list/',
    'manifests/latest',
    'a/b/blobs/',
  ])
    assert.equal(parseTarget(path), null, path)
  const codeOf = (path: string) => {
    try {
      parseTarget(path)
      return null
    } catch (error) {
      return error instanceof InputError ? error.code : error
    }
  }
  assert.equal(codeOf('ubuntu/manifests/latest'), 'name-invalid')
  assert.equal(codeOf('a/b/manifests/-x'), 'tag-invalid')
  assert.equal(codeOf('a/b/manifests/sha256:00'), 'digest-invalid')
  assert.equal(codeOf('a/b/blobs/latest'), 'digest-invalid')
  assert.equal(codeOf('a/b/referrers/latest'), 'digest-invalid')
})

test('paths of noise: a target or an InputError', () => {
  const random = new SeededRandom(7)
  const words = ['a', 'blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers', zeros, '', '-', 'A', '..', 'x:y', 'é', '\0', '/']
  for (let i = 0; i < 20_000; i++) {
    const path = Array.from({ length: random.below(7) }, () => words[random.below(words.length)]).join('/')
    try {
      const target = parseTarget(path)
      if (target !== null) assert.ok(path.startsWith(`${target.name.text}/`))
    } catch (error) {
      assert.ok(error instanceof InputError, `${path}: ${String(error)}`)
    }
  }
})
