import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandomness } from './clock.ts'
import { CorruptError } from './errors.ts'
import { isSealed, Sealer } from './sealed.ts'

const key = (byte: number) => new Uint8Array(32).fill(byte)

test('what was sealed opens with the same key for the same purpose', () => {
  const sealer = new Sealer(key(1), systemRandomness)
  for (const text of ['', 'a secret', '\u{1f511} ключ', 'x'.repeat(10_000)]) {
    const sealed = sealer.seal(text, 'hook')
    assert.ok(isSealed(sealed))
    assert.ok(text === '' || !sealed.includes(text))
    assert.equal(new Sealer(key(1), systemRandomness).open(sealed, 'hook'), text)
  }
  assert.notEqual(sealer.seal('same', 'hook'), sealer.seal('same', 'hook'))
})

test('another key is told apart from a changed text', () => {
  const sealer = new Sealer(key(1), systemRandomness)
  const sealed = sealer.seal('a secret', 'hook')
  assert.throws(() => new Sealer(key(2), systemRandomness).open(sealed, 'hook'), { code: 'other-key' })
  assert.throws(() => sealer.open(sealed, 'mirror'), CorruptError)
  assert.throws(() => sealer.open('a secret', 'hook'), CorruptError)
  assert.throws(() => sealer.open(sealed.slice(0, 30), 'hook'), CorruptError)
  for (let at = sealed.lastIndexOf(':') + 1; at < sealed.length - 1; at++) {
    const changed = `${sealed.slice(0, at)}${sealed[at] === 'A' ? 'B' : 'A'}${sealed.slice(at + 1)}`
    assert.throws(() => sealer.open(changed, 'hook'), CorruptError)
  }
})
