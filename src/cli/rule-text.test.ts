// Rules of tags as texts: read, written again, and refused with what is wrong.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRetentionRule, parseTagRule, retentionRuleText, tagRuleText } from './rule-text.ts'
import { UsageError } from './usage.ts'

test('rules are read and written alike', () => {
  const nothing = { except: [], keepNewest: null, keepPushedDays: null, keepPulledDays: null }
  for (const [text, rule] of [
    ['*', { ...nothing, tags: '*' }],
    ['v*:newest=10', { ...nothing, tags: 'v*', keepNewest: 10 }],
    ['*:newest=0', { ...nothing, tags: '*', keepNewest: 0 }],
    [
      'main-?:newest=2,pushed=90d,pulled=30d,except=main-1,except=x*',
      { tags: 'main-?', keepNewest: 2, keepPushedDays: 90, keepPulledDays: 30, except: ['main-1', 'x*'] },
    ],
  ] as const) {
    assert.deepEqual(parseRetentionRule(text), rule)
    assert.equal(retentionRuleText(rule), text)
  }
  assert.deepEqual(parseRetentionRule('a:except=b,pulled=48h'), { ...nothing, tags: 'a', except: ['b'], keepPulledDays: 2 })
  for (const text of ['v*', 'v*:except=v0,except=v1.?']) assert.equal(tagRuleText(parseTagRule(text)), text)
})

test('what is no rule is refused, and the message says which word it is', () => {
  for (const [text, says] of [
    ['', /names no tags/],
    [':newest=1', /names no tags/],
    ['v*:', /'' in --rule v\*: is none of newest=…, pushed=…/],
    ['v*:oldest=1', /'oldest=1'/],
    ['v*:newest', /'newest'/],
    ['v*:newest=many', /newest=many .* no number of tags/],
    ['v*:newest=-1', /no number of tags/],
    ['v*:newest=1,newest=2', /newest= stands twice/],
    ['v*:pushed=30', /write 30d/],
    ['v*:pushed=36h', /write 30d/],
    ['v*:pulled=0d', /write 30d/],
  ] as const)
    assert.throws(
      () => parseRetentionRule(text),
      (error) => error instanceof UsageError && says.test(error.message),
      text,
    )
  assert.throws(() => parseTagRule('v*:newest=1'), /is none of except=…/)
})
