// Streams read into memory of the taker's: any pieces fill it, and what breaks a stream off comes after the bytes before it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Filler, freePiece } from './byte-source.ts'

async function* pieces(...sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let byte = 0
  for (const size of sizes) yield Uint8Array.from({ length: size }, () => byte++)
}

async function filled(filler: Filler, sizeBytes: number): Promise<readonly number[]> {
  const memory = new Uint8Array(sizeBytes)
  return [...memory.subarray(0, await filler.fill(memory))]
}

test('pieces of any size', async () => {
  const filler = new Filler(pieces(3, 0, 5, 1))
  assert.deepEqual(await filled(filler, 2), [0, 1])
  assert.deepEqual(await filled(filler, 4), [2, 3, 4, 5])
  assert.deepEqual(await filled(filler, 10), [6, 7, 8])
  assert.deepEqual(await filled(filler, 10), [])
})

test('a stream that breaks off: first what came, then why', async () => {
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield* pieces(3)
    throw new Error('gone')
  }
  const filler = new Filler(broken())
  assert.deepEqual(await filled(filler, 10), [0, 1, 2])
  await assert.rejects(filled(filler, 10), /gone/)
  await assert.rejects(filled(filler, 10), /gone/)
})

test('a signal is looked at before each piece', async () => {
  const stop = new AbortController()
  const filler = new Filler(pieces(3, 3), stop.signal)
  assert.deepEqual(await filled(filler, 2), [0, 1])
  stop.abort(new Error('enough'))
  assert.deepEqual(await filled(filler, 10), [2])
  await assert.rejects(filled(filler, 10), /enough/)
})

test('memory that is a piece’s alone is given back, other memory stays', () => {
  const own = new Uint8Array(10)
  freePiece(own)
  assert.equal(own.length, 0)
  const shared = new Uint8Array(10)
  freePiece(shared.subarray(0, 5))
  assert.equal(shared.length, 10)
})
