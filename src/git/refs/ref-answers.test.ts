// Kept answers: made once for each version and kind, never found under another, bounded.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RefAnswers } from './ref-answers.ts'

function counted(sizeBytes = 10): { make: () => Uint8Array; readonly made: number } {
  let made = 0
  return {
    make: () => new Uint8Array(sizeBytes).fill(++made),
    get made() {
      return made
    },
  }
}

test('an answer is made once for each repository, version and kind', () => {
  const answers = new RefAnswers()
  const source = counted()
  const first = answers.get(1, 1, 'a', source.make)
  assert.equal(answers.get(1, 1, 'a', source.make), first)
  assert.equal(source.made, 1)
  assert.notEqual(answers.get(1, 1, 'b', source.make), first)
  assert.notEqual(answers.get(2, 1, 'a', source.make), first)
  assert.notEqual(answers.get(1, 2, 'a', source.make), first)
  assert.equal(source.made, 4)
})

test('refs that were read before a push neither get the newer answer nor put theirs in its place', () => {
  const answers = new RefAnswers()
  const newer = answers.get(1, 2, 'a', () => Uint8Array.of(2))
  assert.deepEqual(
    answers.get(1, 1, 'a', () => Uint8Array.of(1)),
    Uint8Array.of(1),
  )
  assert.equal(
    answers.get(1, 2, 'a', () => Uint8Array.of(3)),
    newer,
  )
})

test('a newer version lets the older one go', () => {
  const answers = new RefAnswers()
  answers.get(1, 1, 'a', () => new Uint8Array(5000))
  answers.get(1, 2, 'a', () => new Uint8Array(10))
  assert.ok(answers.heldBytes < 1000)
})

test('what is kept is bounded, the least recently used goes first', () => {
  const answers = new RefAnswers(10_000)
  const source = counted(1000)
  const first = answers.get(1, 1, 'a', source.make)
  for (let repository = 2; repository < 50; repository++) {
    answers.get(repository, 1, 'a', source.make)
    answers.get(repository, 1, `prefix-${repository}`, source.make)
    assert.equal(answers.get(1, 1, 'a', source.make), first)
    assert.ok(answers.heldBytes <= 10_000)
  }
  const made = source.made
  answers.get(2, 1, 'a', source.make)
  assert.equal(source.made, made + 1)
})

test('an answer that is large for the whole is not kept', () => {
  const answers = new RefAnswers(10_000)
  answers.get(1, 1, 'a', () => new Uint8Array(9000))
  assert.equal(answers.heldBytes, 0)
})
