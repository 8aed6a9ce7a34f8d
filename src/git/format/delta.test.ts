import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, InputError } from '../../base/index.ts'
import { seededBytes } from '../../../tests/support/random.ts'
import { applyDelta, decodeDeltaHeader, encodeDelta, indexBase } from './delta.ts'

/** Processor time of this process: limits hold on a busy machine too. */
const cpuMs = () => process.cpuUsage().user / 1000

/** Two byte strings that share pieces. */
const related = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 8 })
  .chain((pieces) =>
    fc.tuple(
      fc.constant(concatBytes(pieces)),
      fc.array(fc.oneof(fc.constantFrom(...pieces), fc.uint8Array({ maxLength: 40 })), { maxLength: 12 }).map(concatBytes),
    ),
  )

describe('encodeDelta and applyDelta', () => {
  test('make the target again', () => {
    fc.assert(
      fc.property(related, ([base, target]) => {
        assert.deepEqual(Buffer.from(applyDelta(base, encodeDelta(base, target))), Buffer.from(target))
      }),
      { numRuns: 1000 },
    )
  })

  test('make the target again from any two', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600, max: 3 }), fc.uint8Array({ maxLength: 600, max: 3 }), (base, target) => {
        assert.deepEqual(Buffer.from(applyDelta(base, encodeDelta(base, target))), Buffer.from(target))
      }),
      { numRuns: 500 },
    )
  })

  test('an index serves several targets', () => {
    const base = seededBytes('base', 5000)
    const index = indexBase(base)
    for (const cut of [0, 17, 4000]) {
      const target = base.subarray(cut)
      const delta = encodeDelta(index, target)
      assert.ok(delta.length < 30, `${delta.length} bytes`)
      assert.deepEqual(Buffer.from(applyDelta(base, delta)), target)
    }
  })

  test('large copies and offsets', () => {
    const base = seededBytes('large', 20_000_000)
    const target = concatBytes([base.subarray(17_000_001), base.subarray(0, 300_000)])
    const delta = encodeDelta(base, target)
    assert.ok(delta.length < 1000, `${delta.length} bytes`)
    assert.equal(Buffer.compare(applyDelta(base, delta), target), 0)
  })

  test('small edits of text make small deltas', () => {
    const lines = Array.from({ length: 2000 }, (_, i) => `line ${i} says ${(i * 7919) % 1009}\n`)
    const base = Buffer.from(lines.join(''))
    lines[900] = 'changed\n'
    lines.splice(1200, 3)
    assert.ok(encodeDelta(base, Buffer.from(lines.join(''))).length < 60)
  })

  test('repeated content costs linear time', () => {
    const startedAt = cpuMs()
    const delta = encodeDelta(new Uint8Array(4_000_000), new Uint8Array(4_000_000).fill(0, 0, 3_999_999).fill(1, 3_999_999))
    assert.ok(delta.length < 1000 && cpuMs() - startedAt < 3000)
  })

  test('gives up above the limit', () => {
    const [base, target] = [seededBytes(1, 1000), seededBytes(2, 1000)]
    assert.equal(encodeDelta(base, target, 500), null)
    assert.ok(encodeDelta(base, target, 2000) !== null)
  })
})

describe('applyDelta', () => {
  const base = Buffer.from('0123456789')
  const refuses = (code: string, ...bytes: number[]) =>
    assert.throws(
      () => applyDelta(base, Uint8Array.from(bytes), { targetBytes: 1000 }),
      (error) => error instanceof InputError && error.code === code,
    )

  test('follows the instructions', () => {
    const delta = Uint8Array.from([10, 7, 0x91, 3, 4, 2, 0x61, 0x62, 0x90, 1])
    assert.equal(Buffer.from(applyDelta(base, delta)).toString(), '3456ab0')
    assert.deepEqual(decodeDeltaHeader(delta), { baseBytes: 10, targetBytes: 7, headerBytes: 2 })
    assert.equal(applyDelta(base, Uint8Array.from([10, 0])).length, 0)
  })

  test('a copy size of nothing means 65536', () => {
    const large = new Uint8Array(65536).fill(7)
    assert.deepEqual(applyDelta(large, Uint8Array.from([0x80, 0x80, 4, 0x80, 0x80, 4, 0x80])), large)
  })

  test('refuses what does not fit', () => {
    refuses('delta-truncated')
    refuses('delta-truncated', 10)
    refuses('delta-truncated', 0x8a)
    refuses('delta-truncated', 10, 4, 0x91, 3)
    refuses('delta-truncated', 10, 4, 4, 1)
    refuses('delta-base-size', 9, 4, 0x91, 3, 4)
    refuses('delta-opcode', 10, 4, 0)
    refuses('delta-range', 10, 4, 0x91, 7, 4)
    refuses('delta-range', 10, 4, 0x9f, 0, 0, 0, 0xff, 4)
    refuses('delta-target-size', 10, 3, 0x91, 3, 4)
    refuses('delta-target-size', 10, 5, 0x91, 3, 4)
    refuses('delta-target-size', 10, 1, 2, 1, 1)
    refuses('delta-target-size', 10, 4)
    refuses('delta-too-large', 10, 0xe9, 7, 0x91, 0, 1)
    refuses('delta-size', 10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)
  })

  test('a declared size that lies is refused before it is allocated', () => {
    const lie = Uint8Array.from([10, 0xff, 0xff, 0xff, 0xff, 0x0e, 0x91, 0, 4])
    assert.throws(
      () => applyDelta(base, lie),
      (error) => error instanceof InputError && error.code === 'delta-target-size',
    )
  })

  test('noise throws only InputError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
        for (const delta of [noise, Uint8Array.from([10, ...noise])]) {
          try {
            applyDelta(base, delta, { targetBytes: 100_000 })
          } catch (error) {
            assert.ok(error instanceof InputError)
          }
        }
      }),
      { numRuns: 3000 },
    )
  })
})
