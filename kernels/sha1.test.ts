// SHA-1 and its collision detection: against Node's digests, against the twin, and on the published colliding pair.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { kernelMemory } from '../tests/support/kernel-memory.ts'
import { conditions, vectors } from './sha1-conditions.ts'
import { allowedVectors, expand, otherHalf, sha1, type State } from './twin/sha1.ts'

const { kernel, bytes } = kernelMemory(64)

/** Puts padded messages into the queue, hashes them, and returns digests, or the number of the one that carries an attack. */
function hashAll(messages: readonly Uint8Array[]): string[] | number {
  let at = kernel.heapBase()
  for (const message of messages) {
    const size = Math.ceil((message.length + 9) / 64) * 64
    bytes.fill(0, at, at + size)
    bytes.set(message, at)
    bytes[at + message.length] = 0x80
    new DataView(bytes.buffer).setBigUint64(at + size - 8, BigInt(message.length) * 8n)
    kernel.sha1Add(at, size / 64)
    at += size
  }
  const attack = kernel.sha1Flush()
  if (attack >= 0) return attack
  return messages.map((_, i) =>
    Buffer.from(bytes.subarray(kernel.sha1Digests() + i * 20, kernel.sha1Digests() + i * 20 + 20)).toString('hex'),
  )
}

const digest = (message: Uint8Array) => createHash('sha1').update(message).digest('hex')

/**
 * The first 320 bytes of the first SHAttered file (Stevens, Bursztein, Karpman, Albertini, Markov 2017): 192 of any PDF, then the two
 * blocks of the attack. The other file differs in the two blocks by the differences of vector II(52,0).
 */
function shattered(half: 0 | 1): Uint8Array {
  const prefix = [
    '255044462d312e330a25e2e3cfd30a0a0a312030206f626a0a3c3c2f57696474682032203020522f4865696768742033203020522f547970652034203020522f',
    '537562747970652035203020522f46696c7465722036203020522f436f6c6f7253706163652037203020522f4c656e6774682038203020522f42697473506572',
    '436f6d706f6e656e7420383e3e0a73747265616d0affd8fffe00245348412d3120697320646561642121212121852fec092339759c39b1a1c63c4c97e1fffe01',
  ]
  const blocks = [
    '7346dc9166b67e118f029ab621b2560ff9ca67cca8c7f85ba84c79030c2b3de218f86db3a90901d5df45c14f26fedfb3dc38e96ac22fe7bd728f0e45bce046d2',
    '3c570feb141398bb552ef5a0a82be331fea48037b8b5d71f0e332edf93ac3500eb4ddc0decc1a864790c782c76215660dd309791d06bd0af3f98cda4bc4629b1',
  ]
  const message = Buffer.from([...prefix, ...blocks].join(''), 'hex')
  const { differences } = vectors.find((v) => v.type === 2 && v.k === 52 && v.b === 0)!
  if (half === 1) {
    for (let i = 0; i < 32; i++) message.writeUInt32BE((message.readUInt32BE(192 + i * 4) ^ differences[i % 16]!) >>> 0, 192 + i * 4)
  }
  return message
}

test('digests are those of Node, for any number of messages of any length', () => {
  const message = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 5000, size: 'max' }))
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 30 }), (messages) => {
      assert.deepEqual(hashAll(messages), messages.map(digest))
    }),
    { numRuns: 100 },
  )
})

test('one long message, block by block in any split', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      fc.nat(255),
      (blocks, splits, seed) => {
        const state = kernel.heapBase()
        const at = state + 64
        for (let i = 0; i < blocks * 64; i++) bytes[at + i] = (seed + i * 31 + (i >> 5)) & 255
        // The last block is padding, so that Node can say what the state is.
        bytes.fill(0, at + blocks * 64, at + blocks * 64 + 64)
        bytes[at + blocks * 64] = 0x80
        new DataView(bytes.buffer).setBigUint64(at + blocks * 64 + 56, BigInt(blocks * 512))
        kernel.sha1Begin(state)
        for (let done = 0, i = 0; done <= blocks; i++) {
          const count = Math.min(splits[i % splits.length]!, blocks + 1 - done)
          assert.equal(kernel.sha1Blocks(state, at + done * 64, count), 0)
          done += count
        }
        const words = Array.from({ length: 5 }, (_, i) =>
          new DataView(bytes.buffer)
            .getUint32(state + i * 4, true)
            .toString(16)
            .padStart(8, '0'),
        )
        assert.equal(words.join(''), digest(bytes.subarray(at, at + blocks * 64)))
      },
    ),
    { numRuns: 100 },
  )
})

test('the SHAttered pair collides, and each half is refused: in every lane, alone, and in the middle of longer messages', () => {
  const [one, two] = [shattered(0), shattered(1)]
  assert.notDeepEqual(one, two)
  assert.equal(digest(one), digest(two))
  const innocent = Uint8Array.from({ length: 4000 }, (_, i) => (i * 13) & 255)
  for (const half of [one, two]) {
    for (const behind of [0, 1, 64, 1000, 70000]) {
      const message = Buffer.concat([half, innocent, Buffer.alloc(behind)])
      for (const before of [0, 1, 2, 3, 4, 7, 8, 9, 16, 40]) {
        const others = Array.from({ length: before }, () => innocent)
        assert.equal(hashAll([...others, message]), before)
        assert.equal(hashAll([...others, message, innocent, innocent, innocent]), before)
      }
    }
  }
})

test('the SHAttered pair is refused block by block, wherever the split is', () => {
  for (const half of [shattered(0), shattered(1)]) {
    for (let first = 1; first < 5; first++) {
      const state = kernel.heapBase()
      const at = state + 64
      bytes.set(half, at)
      kernel.sha1Begin(state)
      const found = [kernel.sha1Blocks(state, at, first), kernel.sha1Blocks(state, at + first * 64, 5 - first)]
      assert.ok(found.some(Boolean))
    }
  }
})

test('what only looks like it is let through: one bit off, another prefix, another place', () => {
  const half = shattered(0)
  for (const at of [0, 191, 200, 319]) {
    const other = half.slice()
    other[at]! ^= 1
    assert.deepEqual(hashAll([other]), [digest(other)])
  }
  // As a Git blob the same bytes stand behind a header: no collision, and git takes them too (its own history holds such a file).
  const blob = Buffer.concat([Buffer.from(`blob ${half.length}\0`), half])
  assert.deepEqual(hashAll([blob]), [digest(blob)])
})

test('the twin, which tries every vector and asks no condition, finds the same', () => {
  for (const half of [shattered(0), shattered(1)])
    assert.deepEqual(sha1(half), { digest: new Uint8Array(createHash('sha1').update(half).digest()), attack: 4 })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (message) => {
      assert.deepEqual(sha1(message), { digest: new Uint8Array(createHash('sha1').update(message).digest()), attack: -1 })
      assert.deepEqual(hashAll([message]), [digest(message)])
    }),
    { numRuns: 60 },
  )
})

test('conditions: both halves of the attack meet those of their vector; noise meets one vector in about twenty blocks', () => {
  const index = vectors.findIndex((v) => v.type === 2 && v.k === 52 && v.b === 0)
  for (const half of [shattered(0), shattered(1)]) {
    for (const at of [192, 256]) assert.ok(allowedVectors(expand(half.subarray(at, at + 64))).includes(index))
  }
  let allowed = 0
  for (let i = 0; i < 3000; i++) allowed += allowedVectors(expand(createHash('sha512').update(`${i}`).digest())).length
  assert.ok(allowed > 50 && allowed < 300, `${allowed} of 3000`)
})

const begin: State = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]

/** Hashes the blocks by themselves; for each, the vectors that the kernel's quick test lets through. At most 128 blocks. */
function suspectsIn(blocks: Uint8Array): number[][] {
  const state = kernel.heapBase()
  kernel.sha1Begin(state)
  bytes.set(blocks, state + 64)
  assert.equal(kernel.sha1Blocks(state, state + 64, blocks.length / 64), 0)
  const view = new DataView(bytes.buffer, kernel.sha1Allowed())
  const isAllowed = (vector: number, block: number) => ((view.getUint8(vector * 16 + (block >> 3)) >> (block & 7)) & 1) === 1
  return Array.from({ length: blocks.length / 64 }, (_, block) => vectors.map((_, i) => i).filter((i) => isAllowed(i, block)))
}

test('the quick test lets every vector through whose conditions a block meets, wherever the block is, and few others', () => {
  let met = 0
  let through = 0
  for (let round = 0; round < 60; round++) {
    const blocks = Buffer.concat(
      Array.from({ length: 1 + ((round * 37) % 128) }, (_, i) => createHash('sha512').update(`${round} ${i}`).digest()),
    )
    suspectsIn(blocks).forEach((suspects, i) => {
      const expected = allowedVectors(expand(blocks.subarray(i * 64, i * 64 + 64)))
      for (const vector of expected) assert.ok(suspects.includes(vector), `block ${i} of round ${round}: vector ${vector}`)
      met += expected.length
      through += suspects.length
    })
  }
  assert.ok(met > 100 && through < met * 3, `${met} met, ${through} let through`)
})

test("suspects: the other half's states are those of the twin, from either middle", () => {
  const steps = new Set<number>()
  for (let round = 0; round < 1000; round++) {
    const block = createHash('sha512').update(`other ${round}`).digest()
    const suspects = suspectsIn(block)[0]!
    if (suspects.length !== 1) continue
    const { first, last } = otherHalf(begin, expand(block), suspects[0]!)
    const view = new DataView(bytes.buffer, kernel.sha1OtherHalf())
    assert.deepEqual(
      [first, last],
      [0, 160].map((from) => Array.from({ length: 5 }, (_, i) => view.getUint32(from + i * 32, true))),
    )
    steps.add(vectors[suspects[0]!]!.step)
  }
  assert.deepEqual([...steps].sort(), [58, 65])
})

test('vectors: 32, and their differences obey the message expansion', () => {
  assert.equal(vectors.length, 32)
  assert.ok(conditions.length > 150)
  for (const { differences } of vectors) {
    for (let t = 16; t < 80; t++) {
      const word = differences[t - 3]! ^ differences[t - 8]! ^ differences[t - 14]! ^ differences[t - 16]!
      assert.equal(differences[t], ((word << 1) | (word >>> 31)) >>> 0)
    }
  }
})
