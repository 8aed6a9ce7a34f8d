import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TokenBuckets } from './token-buckets.ts'

function bucketsAt(perMinute: number, most?: number) {
  const time = { ms: 1000 }
  return { time, buckets: new TokenBuckets(perMinute, () => time.ms, most) }
}

test('a minute’s worth may come at once, and comes back evenly', () => {
  const { time, buckets } = bucketsAt(60)
  for (let left = 59; left >= 0; left--) assert.equal(buckets.take('a').remaining, left)
  const refused = buckets.take('a')
  assert.deepEqual([refused.isAllowed, refused.waitMs, refused.fullInMs], [false, 1000, 60_000])
  time.ms += 999
  assert.equal(buckets.take('a').isAllowed, false)
  time.ms += 1
  assert.equal(buckets.take('a').isAllowed, true)
  time.ms += 3_600_000
  assert.deepEqual([buckets.peek('a').remaining, buckets.peek('a').fullInMs], [60, 0])
})

test('one key’s spending is none of another’s', () => {
  const { buckets } = bucketsAt(1)
  assert.equal(buckets.take('a').isAllowed, true)
  assert.equal(buckets.take('a').isAllowed, false)
  assert.equal(buckets.take('b').isAllowed, true)
})

test('many keys take no memory, and take nothing from those who are forgotten for them', () => {
  const { buckets } = bucketsAt(2, 100)
  buckets.take('steady')
  for (let i = 0; i < 10_000; i++) {
    buckets.take(`flood ${i}`)
    if (i % 50 === 0) buckets.peek('steady')
  }
  assert.equal(buckets.size, 100)
  assert.equal(buckets.take('steady').isAllowed, true)
})

test('who is used stays: the one that was used least lately goes first', () => {
  const { buckets } = bucketsAt(5, 2)
  for (const key of ['a', 'b', 'a', 'c']) buckets.take(key)
  assert.equal(buckets.peek('a').remaining, 3)
  assert.equal(buckets.peek('b').remaining, 5)
})
