// Contents into streams: every byte in order, memory used again only when the stream is done with it, and nothing hangs when it is closed.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { after, before, test } from 'node:test'
import { CorruptError, UnavailableError } from '../../base/index.ts'
import { contentHost, type ContentHost, pieces, put } from '../../../tests/support/content.ts'
import { noise, Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import type { Digest } from '../index.ts'

let host: ContentHost
const random = new Seeded(seedOfRun('send'))

before(async () => {
  host = await contentHost()
})
after(() => host.close())

async function receive(bytes: Uint8Array): Promise<Digest> {
  return (await host.store.uploads.receive(pieces(bytes), { limitBytes: 2 ** 40 })).digest
}

/** Looks at what it was given only when it says that it is done with it. */
class Slow extends Writable {
  readonly hash = createHash('sha256')
  sizeBytes = 0
  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    setTimeout(() => {
      this.hash.update(bytes)
      this.sizeBytes += bytes.length
      done()
    }, random.below(3))
  }
}

test('many at once, whole and in chunks, with ranges', async () => {
  const bytes = noise(random.below(2 ** 31), 5_300_000)
  const digests = [await receive(bytes), (await put(host.store, noise(random.below(2 ** 31), 2_000_000))).digest]
  const first = digests[0] as Digest
  await Promise.all(
    Array.from({ length: 12 }, async (_, n) => {
      const offset = n === 0 ? 0 : random.below(bytes.length)
      const sizeBytes = n === 0 ? bytes.length : random.below(bytes.length - offset)
      const target = new Slow({ highWaterMark: 1 })
      let begun = 0
      await (await host.store.get(first, { offset, sizeBytes }))?.sendTo(target, () => begun++)
      assert.equal(
        target.hash.digest('hex'),
        createHash('sha256')
          .update(bytes.subarray(offset, offset + sizeBytes))
          .digest('hex'),
      )
      assert.deepEqual([begun, target.sizeBytes], [1, sizeBytes])
    }),
  )
  const chunks = new Slow()
  await (await host.store.get(digests[1] as Digest))?.sendTo(chunks)
  assert.equal(chunks.hash.digest('hex'), digests[1])
})

test('a stream that is closed in the middle, or before', async () => {
  const digest = await receive(noise(random.below(2 ** 31), 6_000_000))
  for (const afterBytes of [0, 1, 3_000_000]) {
    const target = new Slow({ highWaterMark: 1 })
    const timer = setInterval(() => {
      if (target.sizeBytes >= afterBytes) target.destroy()
    }, 1)
    await assert.rejects(
      (await host.store.get(digest))!.sendTo(target),
      (error) => error instanceof UnavailableError && error.code === 'aborted',
    )
    clearInterval(timer)
  }
})

test('what is damaged isn’t begun, or ends before it', async () => {
  const bytes = noise(random.below(2 ** 31), 2_500_000)
  const digest = await receive(bytes)
  let found = ''
  for await (const { key, sizeBytes } of host.bucket.list('whole/')) if (sizeBytes > 2_500_000 && sizeBytes < 2_501_000) found = key
  const path = join(host.folder, 'bucket', found)
  const good = readFileSync(path)
  for (const at of [5, 2_100_000]) {
    const damaged = Buffer.from(good)
    damaged[at] = (damaged[at] as number) ^ 4
    writeFileSync(path, damaged)
    const target = new Slow()
    let begun = 0
    await assert.rejects(
      (await host.store.get(digest))!.sendTo(target, () => begun++),
      CorruptError,
    )
    assert.deepEqual([begun, target.sizeBytes <= at], [at === 5 ? 0 : 1, true])
  }
})
