// Sorting and finding ids, few (compared) and many (by tables): both say what plain sorting says.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededBytes } from '../../../tests/support/random.ts'
import { IdIndex, sortIds } from './sorted-ids.ts'

for (const count of [0, 1, 7, 2047, 2048, 9000]) {
  for (const idWords of [5, 8]) {
    test(`${count} ids of ${idWords * 4} bytes, some of them twice, some with the same first bytes`, () => {
      const size = idWords * 4
      const bytes = Uint8Array.from(seededBytes(`${count} ${size}`, count * size))
      for (let i = 1; i < count; i += 3) bytes.copyWithin(i * size, (i - 1) * size, (i - 1) * size + (i % 2 === 0 ? size : 4))
      const words = new Uint32Array(bytes.buffer)
      const hexOf = (i: number) => Buffer.from(bytes.subarray(i * size, i * size + size)).toString('hex')

      const order = [...sortIds(words, idWords, count, (a, b) => b - a)]
      const names = Array.from({ length: count }, (_, i) => hexOf(i))
      const expected = names.map((_, i) => i).sort((a, b) => (names[a]! < names[b]! ? -1 : names[a]! > names[b]! ? 1 : b - a))
      assert.deepEqual(order, expected)

      const sorted = new Uint32Array(count * idWords)
      order.forEach((id, at) => sorted.set(words.subarray(id * idWords, id * idWords + idWords), at * idWords))
      const index = new IdIndex(sorted, idWords)
      for (let i = 0; i < count; i++) assert.equal(names[order[index.find(words, i * idWords)]!], names[i])
      const strange = new Uint32Array(seededBytes(`strange ${count} ${size}`, size).buffer.slice(0, size))
      assert.equal(index.find(strange, 0), -1)
    })
  }
}
