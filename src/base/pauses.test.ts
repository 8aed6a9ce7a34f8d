// Pauses between items: seen as often as they last, and left without waiting for what comes no more.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withPauses } from './pauses.ts'

test('items come in order, with pauses between them where there are some', async () => {
  const later = Promise.withResolvers<void>()
  async function* items() {
    yield 1
    yield 2
    await later.promise
    yield 3
  }
  const seen: (number | null)[] = []
  for await (const item of withPauses(items(), 1)) {
    if (item !== null || seen.at(-1) !== null) seen.push(item)
    if (item === null) later.resolve()
  }
  assert.deepEqual(
    seen.filter((item) => item !== null),
    [1, 2, 3],
  )
  assert.ok(seen.indexOf(null) === 2, String(seen))
})

test('whoever leaves in a pause waits for nothing; what the items throw later is nobody’s', async () => {
  const failing = Promise.withResolvers<void>()
  async function* items() {
    yield 1
    await failing.promise
  }
  for await (const item of withPauses(items(), 1)) if (item === null) break
  failing.reject(new Error('too late'))
  await new Promise((done) => setImmediate(done))
})

test('what the items throw is thrown', async () => {
  async function* items() {
    yield 1
    throw new Error('broken')
  }
  await assert.rejects(async () => {
    for await (const _ of withPauses(items(), 1000));
  }, /broken/)
})
