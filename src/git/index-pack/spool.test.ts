// The spool of an arriving pack: the same bytes whether they fit in memory or went to a file.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { GrowingSpool } from './spool.ts'

const folder = mkdtempSync(join(tmpdir(), 'stemma-spool-'))
after(() => rmSync(folder, { recursive: true }))
let files = 0

test('appended, overwritten and read back, in memory and in a file', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 30 }),
      fc.nat(100),
      fc.constantFrom(1024, 64 * 1024, 1 << 20),
      (pieces, place, memoryBytes) => {
        const path = join(folder, `${files++}.pack`)
        const spool = new GrowingSpool(path, memoryBytes)
        for (const piece of pieces) spool.append(piece)
        const expected = Buffer.concat(pieces)
        assert.equal(spool.sizeBytes, expected.length)
        const at = Math.floor((place / 101) * expected.length)
        const change = new Uint8Array(Math.min(12, expected.length - at)).fill(0xaa)
        spool.overwrite(at, change)
        expected.set(change, at)
        const whole = new Uint8Array(expected.length + 10)
        assert.equal(spool.read(0, whole), expected.length)
        assert.deepEqual(Buffer.from(whole.subarray(0, expected.length)), expected)
        assert.equal(spool.read(expected.length, whole), 0)
        assert.equal(spool.inMemory() === null, expected.length > memoryBytes)
        assert.equal(existsSync(path), expected.length > memoryBytes)
        spool.truncate(expected.length + 1)
        assert.equal(spool.sizeBytes, expected.length)
        spool.truncate(at)
        assert.equal(spool.sizeBytes, at)
        spool.append(expected.subarray(at))
        spool.close(true)
        if (expected.length > memoryBytes) assert.deepEqual(readFileSync(path), expected)
      },
    ),
    { numRuns: 100 },
  )
})

test('a closed spool leaves no file unless it is kept', () => {
  const path = join(folder, 'gone.pack')
  const spool = new GrowingSpool(path, 10)
  spool.append(new Uint8Array(100))
  assert.ok(existsSync(path))
  spool.close(false)
  assert.ok(!existsSync(path))
})

test('no space and no folder are told apart from faults of ours', () => {
  const path = join(folder, 'full.pack')
  symlinkSync('/dev/full', path)
  assert.throws(() => new GrowingSpool(path, 10).append(new Uint8Array(100)), { name: 'UnavailableError', code: 'spool-full' })
  const nowhere = new GrowingSpool(join(folder, 'gone', 'x.pack'), 10)
  assert.throws(() => nowhere.append(new Uint8Array(100)), { name: 'UnavailableError', code: 'spool-missing' })
})
