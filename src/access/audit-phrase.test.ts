// Phrases of the audit: what they mean, and that nothing else comes of noise than a clear refusal.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { InputError } from '../base/index.ts'
import { parsePhrase } from './audit-phrase.ts'

const day = (text: string) => new Date(`${text}T00:00:00Z`)

test('actions, actors and ranges of time', () => {
  assert.deepEqual(parsePhrase(''), {})
  assert.deepEqual(parsePhrase('action:member.add  actor:Alice'), { action: 'member.add', actor: 'Alice' })
  assert.deepEqual(parsePhrase('action:member.* actor:"the operator"'), { action: 'member', actor: 'the operator' })
  const ranges: [string, object][] = [
    ['2026-11-01', { since: day('2026-11-01'), until: day('2026-11-02') }],
    ['>=2026-11-01', { since: day('2026-11-01') }],
    ['>2026-11-01', { since: day('2026-11-02') }],
    ['<2026-11-01', { until: day('2026-11-01') }],
    ['<=2026-11-01', { until: day('2026-11-02') }],
    ['2026-11-01..2026-11-03', { since: day('2026-11-01'), until: day('2026-11-04') }],
    ['*..2026-11-03', { until: day('2026-11-04') }],
    ['2026-11-01T12:00:00+02:00..*', { since: new Date('2026-11-01T10:00:00Z') }],
    ['>=2026-11-01T12:30', { since: new Date('2026-11-01T12:30:00Z') }],
  ]
  for (const [range, wanted] of ranges) assert.deepEqual(parsePhrase(`created:${range}`), wanted, range)
})

test('what means nothing is refused', () => {
  for (const phrase of ['member', 'repo:x', 'action:', 'created:yesterday', 'created:2026-02-30', 'created:2026-11-01..', 'created:>=']) {
    assert.throws(() => parsePhrase(phrase), { code: 'bad-phrase' }, phrase)
  }
})

test('noise', () => {
  const part = fc.oneof(fc.string(), fc.constantFrom('action:', 'actor:', 'created:', '..', '>=', '2026-11-01', '"', ' ', '*'))
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      try {
        parsePhrase(parts.join(''))
      } catch (error) {
        assert.ok(error instanceof InputError, String(error))
      }
    }),
  )
})
