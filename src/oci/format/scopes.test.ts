import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseWantedScopes, scopeFor } from './scopes.ts'

const read = (...texts: string[]) => parseWantedScopes(texts)?.map(({ name, actions }) => `${name.text}:${actions.join(',')}`)

test('scopes as clients send them', () => {
  assert.deepEqual(read('repository:alice/app:pull'), ['alice/app:pull'])
  assert.deepEqual(read('repository:alice/a/b:push,pull'), ['alice/a/b:pull,push'])
  assert.deepEqual(read('repository:alice/app:pull repository:bob/x:pull,push'), ['alice/app:pull', 'bob/x:pull,push'])
  assert.deepEqual(read('repository:alice/app:*'), ['alice/app:pull,push,delete'])
  assert.deepEqual(read('repository(plugin):alice/app:pull'), ['alice/app:pull'])
  assert.deepEqual(read('repository:alice/app:delete'), ['alice/app:delete'])
})

test('what is no scope of ours is passed over, and too many are refused', () => {
  assert.deepEqual(read('', 'registry:catalog:*', 'repository:nobody:pull', 'repository:../x:pull', 'repository:A/b:pull', 'nonsense'), [])
  assert.deepEqual(read('repository:alice/app:fly'), ['alice/app:'])
  assert.equal(parseWantedScopes([Array.from({ length: 40 }, (_, i) => `repository:a/b${i}:pull`).join(' ')]), null)
})

test('what a client has to ask for', () => {
  assert.equal(scopeFor('package:read', { text: 'a/b' }), 'repository:a/b:pull')
  assert.equal(scopeFor('package:write', { text: 'a/b' }), 'repository:a/b:pull,push')
  assert.equal(scopeFor('package:delete', { text: 'a/b' }), 'repository:a/b:delete')
})
