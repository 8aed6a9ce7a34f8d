import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPlace, parseAuthOrigin, parsePlace, parseUpstreamUrl } from '../../../packages/index.ts'
import { behind, placeGrammar } from './places.ts'

test('places', () => {
  for (const text of ['docker-hub', 'Mirror/ghcr', 'a/b/c.d']) assert.equal(formatPlace(parsePlace(text, placeGrammar)), text)
  for (const text of ['', '/', 'a/', '/a', 'a//b', 'a/B', 'a/..', 'a/b/', 'a/_b', `a/${'b'.repeat(201)}`]) {
    assert.throws(() => parsePlace(text, placeGrammar), { code: 'bad-upstream-place' }, text)
  }
})

test('a name is below a place by whole segments', () => {
  assert.equal(behind('', 'library/nginx'), 'library/nginx')
  assert.equal(behind('ghcr', 'ghcr/a/b'), 'a/b')
  assert.equal(behind('ghcr', 'ghcr'), null)
  assert.equal(behind('ghcr', 'ghcr-x/a'), null)
})

test('URLs', () => {
  assert.deepEqual(parseUpstreamUrl('https://Registry.example', placeGrammar), { origin: 'https://registry.example', path: '' })
  assert.deepEqual(parseUpstreamUrl('http://127.0.0.1:5000/acme/tools/', placeGrammar), {
    origin: 'http://127.0.0.1:5000',
    path: 'acme/tools',
  })
  const bad = [
    '',
    'registry.example',
    'ftp://a',
    'https://u:p@a',
    'https://u@a',
    'https://a/?x',
    'https://a/#x',
    'https://a/v2/',
    'https://a/v2/b',
  ]
  for (const text of [...bad, 'https://a/B', 'https://a//b']) {
    assert.throws(() => parseUpstreamUrl(text, placeGrammar), { code: 'bad-upstream-url' }, text)
  }
  assert.equal(parseAuthOrigin('https://auth.example/token?x=y'), 'https://auth.example')
  for (const text of ['auth.example', 'https://u:p@auth.example']) assert.throws(() => parseAuthOrigin(text), { code: 'bad-upstream-auth' })
})
