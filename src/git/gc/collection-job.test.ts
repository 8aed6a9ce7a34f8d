import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isWorthIt } from './collection-job.ts'

test('a large network is written anew for a twentieth of it, a small one for anything', () => {
  const mebibyte = 1 << 20
  assert.equal(isWorthIt({ leavingBytes: 1 }, 64 * mebibyte), true)
  assert.equal(isWorthIt({ leavingBytes: mebibyte }, 65 * mebibyte), false)
  assert.equal(isWorthIt({ leavingBytes: 50 * mebibyte }, 1000 * mebibyte), true)
  assert.equal(isWorthIt({ leavingBytes: 50 * mebibyte - 1 }, 1000 * mebibyte), false)
})
