// Periods of downloads.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../../base/index.ts'
import { daysOf, parsePeriod } from './download-period.ts'

const now = Date.parse('2026-03-01T23:59:59Z')

test('periods by their names, days and pairs of days', () => {
  for (const [text, start, end] of [
    ['last-day', '2026-03-01', '2026-03-01'],
    ['last-week', '2026-02-23', '2026-03-01'],
    ['last-month', '2026-01-31', '2026-03-01'],
    ['last-year', '2025-03-02', '2026-03-01'],
    ['2024-02-29', '2024-02-29', '2024-02-29'],
    ['2024-02-28:2024-03-01', '2024-02-28', '2024-03-01'],
  ] as const)
    assert.deepEqual(parsePeriod(text, now), { start, end })
  assert.deepEqual(daysOf({ start: '2024-02-28', end: '2024-03-01' }), ['2024-02-28', '2024-02-29', '2024-03-01'])
})

test('what is no period', () => {
  const none = [
    '',
    'last-decade',
    'constructor',
    '2026-02-30',
    '2026-3-1',
    '2026-03-02:2026-03-01',
    '2026-03-01:',
    ':',
    '2020-01-01:2026-01-01',
    '2026-01-01:2026-01-02:2026-01-03',
  ]
  for (const text of none)
    assert.throws(
      () => parsePeriod(text, now),
      (error) => error instanceof InputError && error.code === 'bad-period',
    )
})
