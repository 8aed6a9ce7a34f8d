import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Recent } from './index.ts'

test('what was not asked for longest goes first, by weight', () => {
  const recent = new Recent<string>(10)
  recent.set('a', 'A', 4)
  recent.set('b', 'B', 4)
  assert.equal(recent.get('a'), 'A')
  recent.set('c', 'C', 4)
  assert.deepEqual([recent.get('a'), recent.get('b'), recent.get('c')], ['A', undefined, 'C'])
  recent.set('c', 'D', 6)
  assert.deepEqual([recent.get('a'), recent.get('c')], ['A', 'D'])
})

test('what alone is too heavy is not kept, and takes the place of nothing but its own', () => {
  const recent = new Recent<number>(3)
  recent.set('a', 1)
  recent.set('b', 2)
  recent.set('b', 3, 4)
  assert.deepEqual([recent.get('a'), recent.get('b')], [1, undefined])
})
