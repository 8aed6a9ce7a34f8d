import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Places } from './places.ts'

test('no more than so many at once, in the order in which they came', async () => {
  const places = new Places(2)
  const order: number[] = []
  let now = 0
  let most = 0
  await Promise.all(
    Array.from({ length: 10 }, async (_, i) => {
      const free = await places.take()
      order.push(i)
      most = Math.max(most, ++now)
      await new Promise((resolve) => setTimeout(resolve, 2))
      now--
      free()
      free()
    }),
  )
  assert.equal(most, 2)
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('who needs many places is not passed by those who need few, and who needs more than there are gets all', async () => {
  const places = new Places(10)
  const order: string[] = []
  const take = async (name: string, count: number): Promise<() => void> => {
    const free = await places.take(count)
    order.push(name)
    return free
  }
  const first = await take('first', 6)
  const large = take('large', 1000)
  const small = take('small', 1)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(order, ['first'])
  first()
  const freeLarge = await large
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(order, ['first', 'large'])
  freeLarge()
  ;(await small)()
  assert.deepEqual(order, ['first', 'large', 'small'])
  ;(await take('all', 10))()
})
