import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Places, SharedPlaces } from './places.ts'

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

test('shared places: whoever holds all that he may keeps nobody else out', async () => {
  const places = new SharedPlaces(8)
  const slow = await Promise.all([places.take('slow'), places.take('slow')])
  const order: string[] = []
  const waiting = [1, 2].map(async (n) => {
    const free = await places.take('slow')
    order.push(`slow ${n}`)
    return free
  })
  const others = await Promise.all(['a', 'b', 'c', 'a', 'b', 'c'].map(async (caller) => places.take(caller)))
  assert.equal(order.length, 0)
  const late = places.take('d').then((free) => {
    order.push('d')
    return free
  })
  others[0]?.()
  ;(await late)()
  assert.deepEqual(order, ['d'], 'it passes those who may have no more')
  slow[0]?.()
  slow[0]?.()
  ;(await waiting[0])?.()
  ;(await waiting[1])?.()
  assert.deepEqual(order, ['d', 'slow 1', 'slow 2'])
})

test('shared places: of one place everybody may have one', async () => {
  const places = new SharedPlaces(1)
  const free = await places.take('a')
  const next = places.take('b')
  free()
  ;(await next)()
})
