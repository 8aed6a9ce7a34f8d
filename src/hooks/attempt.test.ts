import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pauseMs } from './attempt.ts'

test('pauses grow fourfold up to six hours, and are not the same for all', () => {
  const limits = { firstRetryMs: 10_000 }
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 7, 8].map((tries) => pauseMs(limits, tries, 0)),
    [10_000, 40_000, 160_000, 640_000, 2_560_000, 10_240_000, 21_600_000, 21_600_000],
  )
  assert.equal(pauseMs(limits, 1, 255), 10_996)
  assert.equal(pauseMs({ firstRetryMs: 86_400_000 }, 3, 0), 86_400_000)
})
