import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MadeAnswers } from './made-answers.ts'

test('an answer is made once, also for those who ask at the same time; a failure is kept by nobody', async () => {
  const answers = new MadeAnswers(100_000)
  let count = 0
  const make = async () => ({ document: { count: ++count }, total: 7 })
  const both = await Promise.all([answers.get('a', make), answers.get('a', make)])
  assert.deepEqual(
    [...both, await answers.get('a', make)].map(({ bytes, total }) => [String(bytes), total]),
    Array.from({ length: 3 }, () => ['{"count":1}', 7]),
  )
  const failing = async (): Promise<never> => {
    throw new Error('no')
  }
  await assert.rejects(answers.get('b', failing), /no/)
  assert.equal(String((await answers.get('b', make)).bytes), '{"count":2}')
})

test('the least recently used go first, and no one takes the whole place', async () => {
  const answers = new MadeAnswers(10_000)
  let count = 0
  const make = (sizeBytes: number) => async () => {
    count++
    return { document: 'x'.repeat(sizeBytes) }
  }
  await answers.get('large', make(5000))
  await answers.get('large', make(5000))
  assert.equal(count, 2, 'too large to be kept')
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) await answers.get(key, make(900))
  await answers.get('a', make(900))
  await answers.get('i', make(900))
  count = 0
  await answers.get('a', make(900))
  assert.equal(count, 0)
  await answers.get('b', make(900))
  assert.equal(count, 1, 'b had to go')
})
