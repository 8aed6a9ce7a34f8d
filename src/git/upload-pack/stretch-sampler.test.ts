// Which stretches are checked: all the first time, a sixteenth later, and all of them in the end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StretchSampler } from './stretch-sampler.ts'

function sampler(): StretchSampler {
  let next = 0
  return new StretchSampler({ bytes: () => Uint8Array.of(next++ % 256), uuid: () => '' })
}

const stretches = Array.from({ length: 100 }, (_, i) => i)

test('the first pass checks everything, later ones a sixteenth, sixteen of them everything again', () => {
  const all = sampler()
  const first = all.pass(1, 100)
  assert.ok(stretches.every((i) => first.isChecked(i)))
  for (const i of stretches) first.passed(i)
  const seen = new Set<number>()
  for (let n = 0; n < 16; n++) {
    const pass = all.pass(1, 100)
    const checked = stretches.filter((i) => pass.isChecked(i))
    assert.ok(checked.length <= 7)
    for (const i of checked) seen.add(i)
  }
  assert.equal(seen.size, 100)
})

test('what was not found right is checked again; another pack is another pack', () => {
  const all = sampler()
  const first = all.pass(1, 100)
  for (const i of stretches.slice(0, 50)) first.passed(i)
  const second = all.pass(1, 100)
  assert.ok(stretches.slice(50).every((i) => second.isChecked(i)))
  const other = all.pass(2, 100)
  assert.ok(stretches.every((i) => other.isChecked(i)))
})
