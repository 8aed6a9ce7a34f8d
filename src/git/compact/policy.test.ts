// What is merged when: sizes alone, and what it comes to over many pushes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nextStep, policy, type PackSize } from './policy.ts'

const kib = 1024
const mib = 1024 * kib
const tail = (bytes: number): PackSize => ({ isTail: true, isFull: false, sizeBytes: bytes, packBytes: bytes })
const key = (bytes: number): PackSize => ({ ...tail(bytes), isTail: false })
const full = (bytes: number): PackSize => ({ ...key(bytes), isFull: true })
const tails = (count: number, sizeBytes = kib) => Array.from({ length: count }, () => tail(sizeBytes))

describe('the next step', () => {
  test('is none for few packs', () => {
    assert.deepEqual(nextStep([], 0), { kind: 'none' })
    assert.deepEqual(nextStep([key(100 * mib)], Number.POSITIVE_INFINITY), { kind: 'none' })
    assert.deepEqual(nextStep([key(100 * mib), ...tails(policy.packs - 2)], 0), { kind: 'none' })
  })

  test('merges tails when they are many, or large, and leaves what is larger alone', () => {
    assert.deepEqual(nextStep([key(100 * mib), ...tails(policy.packs)], 0), { kind: 'merge', from: 1 })
    assert.deepEqual(nextStep([full(100 * mib), ...tails(40, 250 * kib)], 0), { kind: 'merge', from: 1 })
  })

  test('takes packs of one tier along when with what comes they are many, and more when a full repack is near', () => {
    const packs = (count: number, fullBytes: number) => [
      full(fullBytes),
      ...Array.from({ length: count }, () => key(300 * kib)),
      ...tails(policy.packs * 2, 2 * kib),
    ]
    assert.deepEqual(nextStep(packs(policy.factor - 2, 100 * mib), 0), { kind: 'merge', from: policy.factor - 1 })
    assert.deepEqual(nextStep(packs(policy.factor - 1, 100 * mib), 0), { kind: 'merge', from: 1 })
    assert.deepEqual(nextStep(packs(policy.factor - 1, 6 * mib), 0), { kind: 'merge', from: policy.factor })
  })

  test('never merges the full pack, and makes a new one when three times as much has come, or as much and then nothing', () => {
    assert.deepEqual(nextStep([full(kib), ...tails(policy.packs * 2)], 0), { kind: 'merge', from: 1 })
    assert.deepEqual(nextStep([full(10 * mib), key(29 * mib)], 0), { kind: 'none' })
    assert.deepEqual(nextStep([full(10 * mib), key(30 * mib)], 0), { kind: 'full' })
    assert.deepEqual(nextStep([full(20 * mib), key(20 * mib)], policy.quietMs), { kind: 'full' })
    assert.deepEqual(nextStep([full(20 * mib), key(19 * mib)], policy.quietMs), { kind: 'none' })
    assert.deepEqual(nextStep([full(kib), key(200 * kib)], policy.quietMs), { kind: 'none' })
    assert.deepEqual(nextStep([full(kib), key(900 * kib)], 0), { kind: 'none' })
  })

  test('goes by the bytes of packs, not of their indexes: those a repack makes no less', () => {
    const indexed = (bytes: number): PackSize => ({ ...key(bytes), sizeBytes: bytes * 2 })
    assert.deepEqual(nextStep([full(10 * mib), indexed(29 * mib)], 0), { kind: 'none' })
  })

  test('waits for a full repack that is near, but not for ever', () => {
    assert.deepEqual(nextStep([full(mib), ...tails(150, 12 * kib)], 0), { kind: 'none' })
    assert.deepEqual(nextStep([full(mib), ...tails(150, 8 * kib)], 0), { kind: 'merge', from: 1 })
    assert.deepEqual(nextStep([full(mib), ...tails(200, 12 * kib)], 0), { kind: 'merge', from: 1 })
  })

  test('merges large pushes, too, when they are many', () => {
    assert.deepEqual(nextStep([full(1000 * mib), ...Array.from({ length: 100 }, () => key(mib))], 0), { kind: 'merge', from: 1 })
  })
})

test('over ten thousand pushes packs stay few, each byte is written a few times, and there are few requests', () => {
  for (const pushBytes of [2 * kib, 8 * kib, 60 * kib]) {
    let packs: PackSize[] = []
    let [written, puts, most] = [0, 0, 0]
    for (let push = 0; push < 10_000; push++) {
      packs.push(tail(pushBytes))
      for (let step = nextStep(packs, 0); step.kind !== 'none'; step = nextStep(packs, 0)) {
        const from = step.kind === 'full' ? 0 : step.from
        const sizeBytes = packs.slice(from).reduce((sum, pack) => sum + pack.sizeBytes, 0)
        const isTail = sizeBytes <= 256 * kib
        packs = [...packs.slice(0, from), { isTail, isFull: step.kind === 'full', sizeBytes, packBytes: sizeBytes }]
        if (isTail) continue
        written += sizeBytes
        puts++
      }
      most = Math.max(most, packs.length)
    }
    assert.ok(most <= policy.packs * 2 + 70, `${most} packs`)
    assert.ok(puts <= 10_000 / 50, `${puts} requests`)
    assert.ok(written / (10_000 * pushBytes) < 3.5, `${written / (10_000 * pushBytes)} times`)
  }
})
