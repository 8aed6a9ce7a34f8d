// What clients may send, and what they are told otherwise.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../../base/index.ts'
import { mostObjects, operationOf, parseBatch, parseVerify } from './batch.ts'
import { encodeCursor, parseLock, parseLockQuery, parseUnlock } from './lock.ts'

const oid = 'ab'.repeat(32)

function refused(run: () => unknown, words: RegExp, code = 'invalid'): void {
  assert.throws(run, (error) => error instanceof InputError && error.code === code && words.test(error.message), String(words))
}

test('a batch request is taken with everything that is optional, and without', () => {
  const object = { oid, sizeBytes: 5, fault: null }
  const objects = [{ oid, size: 5 }]
  assert.deepEqual(parseBatch({ operation: 'download', objects }), { operation: 'download', objects: [object], hashAlgorithm: 'sha256' })
  const all = { operation: 'upload', objects, transfers: ['tus', 'basic'], ref: { name: 'refs/heads/main' }, hash_algo: 'sha512' }
  assert.deepEqual(parseBatch(all), { operation: 'upload', objects: [object], hashAlgorithm: 'sha512' })
  assert.equal(parseBatch({ operation: 'upload', objects: [], ref: null, transfers: null, hash_algo: null }).objects.length, 0)
})

test('one bad object does not spoil the others', () => {
  const objects = [
    { oid, size: 0 },
    { oid: oid.toUpperCase(), size: 1 },
    { oid: 'x', size: 1 },
    { oid, size: -1 },
    { oid, size: 1.5 },
    { oid, size: 2 ** 60 },
  ]
  const faults = parseBatch({ operation: 'upload', objects }).objects.map(({ fault }) => fault?.slice(0, 4) ?? null)
  assert.deepEqual(faults, [null, 'oid ', 'oid ', 'size', 'size', 'size'])
})

test('what is no batch request is refused with the field’s name', () => {
  for (const body of [null, undefined, [], 'x', 1]) refused(() => parseBatch(body), /JSON object/)
  refused(() => parseBatch({ operation: 'delete', objects: [] }), /operation/)
  refused(() => parseBatch({ operation: 'upload' }), /objects/)
  refused(() => parseBatch({ operation: 'upload', objects: [null] }), /JSON object/)
  refused(() => parseBatch({ operation: 'upload', objects: [{ size: 1 }] }), /oid/)
  refused(() => parseBatch({ operation: 'upload', objects: [{ oid }] }), /size/)
  refused(() => parseBatch({ operation: 'upload', objects: [], transfers: ['tus'] }), /basic/)
  refused(() => parseBatch({ operation: 'upload', objects: [], transfers: 'basic' }), /transfers/)
  refused(() => parseBatch({ operation: 'upload', objects: [], ref: 'main' }), /JSON object/)
  refused(() => parseBatch({ operation: 'upload', objects: [], ref: { name: 7 } }), /name/)
  const many = Array.from({ length: mostObjects + 1 }, () => ({ oid, size: 1 }))
  refused(() => parseBatch({ operation: 'upload', objects: many }), /At most/, 'too-large')
})

test('the operation decides who may, whatever else the body is', () => {
  assert.equal(operationOf({ operation: 'upload' }), 'upload')
  for (const body of [undefined, null, 'upload', ['upload'], {}, { operation: ['upload'] }, { operation: 'x' }])
    assert.equal(operationOf(body), 'download')
})

test('verify wants one good object', () => {
  assert.equal(parseVerify({ oid, size: 3 }).sizeBytes, 3)
  refused(() => parseVerify({ oid: 'x', size: 3 }), /oid/)
  refused(() => parseVerify({ oid, size: -3 }), /size/)
})

test('a lock’s path is relative, and text that a database can hold', () => {
  assert.equal(parseLock({ path: 'a/ü b.bin', ref: { name: 'refs/heads/x' } }), 'a/ü b.bin')
  assert.equal(parseLock({ path: 'x'.repeat(1024) }).length, 1024)
  for (const path of [undefined, null, '']) refused(() => parseLock({ path }), /missing/)
  refused(() => parseLock({ path: 5 }), /string/)
  for (const path of ['/etc/x', '../x', 'a/../b']) refused(() => parseLock({ path }), /relative/)
  for (const path of ['a\0b', 'a\ud800']) refused(() => parseLock({ path }), /no path/)
  refused(() => parseLock({ path: 'ü'.repeat(600) }), /1024 bytes/)
})

test('pages: limits are brought into bounds, cursors are this server’s own', () => {
  assert.deepEqual(parseLockQuery({}), { path: null, id: null, after: null, limit: 100 })
  assert.deepEqual(parseLockQuery({ limit: '7', path: 'a', id: 'b', cursor: encodeCursor('ü/x') }), {
    path: 'a',
    id: 'b',
    after: 'ü/x',
    limit: 7,
  })
  assert.equal(parseLockQuery({ limit: 5000 }).limit, 1000)
  assert.equal(parseLockQuery({ limit: 0 }).limit, 100)
  for (const limit of [-1, 1.5, 'x', {}, '-1']) refused(() => parseLockQuery({ limit }), /limit/)
  for (const cursor of ['!!', 'a', encodeCursor('a\0b')]) refused(() => parseLockQuery({ cursor }), /cursor/)
  refused(() => parseLockQuery({ path: ['a', 'b'] }), /path/)
  refused(() => parseLockQuery({ path: 'a\0' }), /no path/)
})

test('unlock: force is said, or it isn’t', () => {
  assert.deepEqual(
    [undefined, {}, { force: true }].map((body) => parseUnlock(body).isForced),
    [false, false, true],
  )
  refused(() => parseUnlock({ force: 'yes' }), /force/)
})
