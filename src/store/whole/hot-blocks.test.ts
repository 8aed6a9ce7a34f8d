import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HotBlocks } from './hot-blocks.ts'

const block = () => new Uint8Array(10)

test('what is read a second time stays; what was read once does not', () => {
  const blocks = new HotBlocks(100)
  const [first, second, third] = [block(), block(), block()]
  assert.deepEqual([blocks.keeps('a', first), blocks.kept('a')], [false, undefined])
  assert.equal(blocks.keeps('a', second), true)
  assert.equal(blocks.kept('a'), second)
  assert.equal(blocks.keeps('a', third), false)
  assert.equal(blocks.kept('a'), second)
  assert.equal(blocks.kept('b'), undefined)
})

test('no more bytes stay than were said; what was read longest ago goes', () => {
  const blocks = new HotBlocks(25)
  for (const name of ['a', 'b', 'c']) for (let n = 0; n < 2; n++) blocks.keeps(name, block())
  assert.deepEqual([blocks.kept('a'), blocks.kept('b')?.length, blocks.kept('c')?.length], [undefined, 10, 10])
  assert.deepEqual(
    [1, 2].map(() => new HotBlocks(5).keeps('a', block())),
    [false, false],
  )
})
