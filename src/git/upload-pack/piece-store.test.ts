// What one cached pack holds in memory while it grows, whoever reads it: the newest pieces, and those that somebody is at.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '../../../tests/support/pack-indexing.ts'
import { seededBytes } from '../../../tests/support/random.ts'
import { concatBytes } from '../../base/index.ts'
import { partBytes, PieceStore } from './piece-store.ts'

const pieceOf = (n: number) => new Uint8Array(seededBytes(n, partBytes)).slice()

async function fromFile(store: PieceStore, place: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of store.read(place, new Uint8Array(partBytes))) parts.push(part.slice())
  return concatBytes(parts)
}

test('memory of pieces that lie in the file is given back at once, but for those that are being read', async () => {
  const store = new PieceStore(temporaryFolder(), 'pieces')
  const pieces = Array.from({ length: 12 }, (_, n) => pieceOf(n))
  const appended = pieces.map((bytes) => bytes.slice())
  await store.append(appended[0] as Uint8Array)
  await store.append(appended[1] as Uint8Array)
  const [one, two] = [store.hold(1), store.hold(1)]
  assert.ok(one && two)
  for (const bytes of appended.slice(2)) await store.append(bytes)
  const inMemory = () => appended.flatMap((bytes, place) => (bytes.length > 0 ? [place] : []))
  assert.deepEqual(inMemory(), [1, 9, 10, 11])
  assert.equal(store.hold(1), null)
  one.release()
  assert.deepEqual(two.bytes, pieces[1])
  two.release()
  assert.deepEqual(inMemory(), [9, 10, 11])
  const last = store.hold(11)
  assert.ok(last)
  store.finish()
  assert.deepEqual(inMemory(), [11])
  last.release()
  assert.deepEqual(inMemory(), [])
  for (const [place, bytes] of pieces.entries()) assert.deepEqual(await fromFile(store, place), bytes)
  store.close()
})

test('a small pack stays in memory, and is read from there by many', async () => {
  const store = new PieceStore(temporaryFolder(), 'small')
  const bytes = pieceOf(1).subarray(0, 1000).slice()
  await store.append(bytes.slice())
  store.finish()
  for (let i = 0; i < 3; i++) {
    const held = store.hold(0)
    assert.deepEqual(held?.bytes, bytes)
    held?.release()
  }
  store.close()
})
