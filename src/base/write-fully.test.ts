// Writes of any size arrive whole, where they belong.
import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { after, test } from 'node:test'
import { TempFolder } from '../../tests/support/git.ts'
import { noise } from '../../tests/support/seeded.ts'
import { writeFully, writeFullySync } from './write-fully.ts'

const folder = new TempFolder('write-fully')
after(() => folder.remove())

test('several pieces, one behind the other and at a place', async () => {
  const path = folder.join('a')
  const [first, second] = [noise(1, 700_001), noise(2, 300_000)]
  const file = await open(path, 'wx')
  await writeFully(file, first)
  await writeFully(file, second)
  await writeFully(file, new Uint8Array())
  await file.close()
  assert.deepEqual(readFileSync(path), Buffer.concat([first, second]))
  const again = await open(path, 'r+')
  await writeFully(again, second, 5)
  await again.close()
  assert.deepEqual(readFileSync(path), Buffer.concat([first.subarray(0, 5), second, first.subarray(300_005), second]))
})

test('on this thread', () => {
  const path = folder.join('b')
  const bytes = noise(3, 600_000)
  const fd = openSync(path, 'wx')
  writeFullySync(fd, bytes, 7)
  closeSync(fd)
  assert.deepEqual(readFileSync(path), Buffer.concat([new Uint8Array(7), bytes]))
})
