// What is taken from a text's end, and what that costs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutEnd } from './text.ts'

test('only what stands at the end goes', () => {
  assert.equal(withoutEnd('/a//b///', '/'), '/a//b')
  assert.equal(withoutEnd('.-a.-.-', '.-'), '.-a')
  assert.equal(withoutEnd('////', '/'), '')
  assert.equal(withoutEnd('', '/'), '')
})

test('a long run that does not stand at the end costs nothing (by a regular expression: hours)', () => {
  const text = `${'/'.repeat(5_000_000)}x`
  assert.equal(withoutEnd(text, '/'), text)
})
