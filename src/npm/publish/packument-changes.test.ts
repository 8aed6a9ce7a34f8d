// What a document that is written back changes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../../base/index.ts'
import { assertTags, deprecationsIn, highestOf, removedIn } from './packument-changes.ts'

const stored = [
  { version: '1.0.0', deprecated: null },
  { version: '1.1.0', deprecated: 'use 2' },
  { version: '2.0.0-beta.1', deprecated: null },
]
const isRefused = (code: string) => (error: unknown) => error instanceof InputError && error.code === code

test('deprecations that are others', () => {
  const of = (versions: Record<string, unknown>) => [...deprecationsIn(stored, { versions, tags: null })]
  assert.deepEqual(of({ '1.0.0': { deprecated: 'old' }, '1.1.0': { deprecated: 'use 2' } }), [['1.0.0', 'old']])
  assert.deepEqual(of({ '1.1.0': { deprecated: '' } }), [['1.1.0', null]])
  // of what the document doesn't say anything, nothing changes
  assert.deepEqual(of({ '1.1.0': {}, '9.9.9': { deprecated: 'x' } }), [])
  assert.deepEqual(
    of(JSON.parse('{"__proto__":{"1.0.0":{"deprecated":"x"}},"constructor":{"deprecated":"x"}}') as Record<string, unknown>),
    [],
  )
  assert.deepEqual(of({ '1.0.0': { deprecated: 'a\0b' } }), [['1.0.0', 'ab']])
  assert.throws(() => of({ '1.0.0': { deprecated: { a: 1 } } }), isRefused('bad-document'))
})

test('versions that are not there any more', () => {
  assert.deepEqual(removedIn(stored, { versions: { '1.0.0': {}, '2.0.0-beta.1': {} }, tags: null }), ['1.1.0'])
  assert.deepEqual(removedIn(stored, { versions: null, tags: {} }), [])
})

test('tags lead to versions that are there', () => {
  assert.deepEqual([...assertTags({ latest: '1.1.0' }, ['1.1.0'])], [['latest', '1.1.0']])
  assert.throws(() => assertTags({ latest: '9.0.0' }, ['1.1.0']), isRefused('version-unknown'))
  assert.throws(() => assertTags({ latest: 7 }, ['1.1.0']), isRefused('version-unknown'))
  assert.throws(() => assertTags({ '1.x': '1.1.0' }, ['1.1.0']), isRefused('bad-tag'))
})

test('the highest version, prereleases last', () => {
  assert.equal(highestOf(['1.0.0', '1.10.0', '1.9.0', '2.0.0-beta.1']), '1.10.0')
  assert.equal(highestOf(['1.0.0-a', '1.0.0-b']), '1.0.0-b')
  assert.equal(highestOf([]), null)
})
