import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPlace, parsePlace, parseUpstreamUrl } from '../../../packages/index.ts'
import { isBelow, placeGrammar } from './places.ts'

test('places', () => {
  for (const text of ['acme', 'Acme/@types', 'acme/left-pad', 'acme/@types/node', 'acme/lodash._baseget']) {
    assert.equal(formatPlace(parsePlace(text, placeGrammar)), text)
  }
  for (const text of ['', '/', 'a/', '/a', 'a/@', 'a/@x/', 'a/B', 'a/..', 'a/b/c', 'a/@b/c/d', 'a/.b', `a/${'b'.repeat(201)}`]) {
    assert.throws(() => parsePlace(text, placeGrammar), { code: 'bad-upstream-place' }, text)
  }
})

test('a name is below a place by whole segments, or is the place', () => {
  assert.ok(isBelow('', '@types/node'))
  assert.ok(isBelow('@types', '@types/node'))
  assert.ok(isBelow('@types/node', '@types/node'))
  assert.ok(isBelow('jsonstream', 'JSONStream'))
  assert.ok(!isBelow('@types', '@typescript/x'))
  assert.ok(!isBelow('left', 'left-pad'))
})

test('URLs', () => {
  const origin = 'https://registry.example'
  assert.deepEqual(parseUpstreamUrl(`${origin}/`, placeGrammar), { origin, path: '' })
  assert.deepEqual(parseUpstreamUrl(`${origin}/api/npm/Remote_1/`, placeGrammar), { origin, path: 'api/npm/Remote_1' })
  for (const text of ['', 'registry.example', `${origin}/?x`, 'https://u:p@registry.example', `${origin}/a%2fb`, `${origin}//b`]) {
    assert.throws(() => parseUpstreamUrl(text, placeGrammar), { code: 'bad-upstream-url' }, text)
  }
})
