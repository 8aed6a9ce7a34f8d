// A flipped bit anywhere in what is stored: the read fails with CorruptError, or doesn't touch it; never wrong bytes.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { contentHost, type ContentHost, put, read } from '../../tests/support/content.ts'
import { noise, Seeded, seedOfRun } from '../../tests/support/seeded.ts'
import { CorruptError, systemClock, systemRandomness } from '../base/index.ts'
import { makeBlockReader } from '../bucket/index.ts'
import { sql } from '../db/index.ts'
import { ContentReader } from './content-reader.ts'
import type { Digest } from './index.ts'
import { planRead } from './plan-read.ts'

let host: ContentHost
const random = new Seeded(seedOfRun('corruption'))

before(async () => {
  host = await contentHost()
})
after(() => host.close())

/** Read by a reader that has seen nothing before. */
async function readAnew(digest: Digest, range?: { offset: number; sizeBytes: number }): Promise<Buffer> {
  const reader = makeBlockReader(host.bucket, { clock: systemClock, randomness: systemRandomness, memoryBytes: 1 << 20, disk: null })
  const found = await planRead(host.db.database, digest, range)
  assert.ok(found !== null && 'chunks' in found.form)
  const parts: Uint8Array[] = []
  for await (const bytes of new ContentReader(reader).read(found.form.chunks)) parts.push(bytes)
  return Buffer.concat(parts)
}

async function assertFoundOut(digest: Digest, bytes: Uint8Array, where: string, mustBe: boolean): Promise<void> {
  const offset = random.below(bytes.length)
  const range = { offset, sizeBytes: random.below(bytes.length - offset) + 1 }
  for (const wanted of [undefined, range]) {
    const right = wanted === undefined ? bytes : bytes.subarray(wanted.offset, wanted.offset + wanted.sizeBytes)
    try {
      const got = await readAnew(digest, wanted)
      assert.equal(Buffer.compare(got, right), 0, `wrong bytes: ${where}`)
      assert.ok(wanted !== undefined || !mustBe, `not found out: ${where}`)
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
    }
  }
}

test('a segment in the bucket: noise and text', async () => {
  for (const bytes of [noise(1, 1_500_000), Buffer.from(Array.from({ length: 200_000 }, (_, n) => `line ${n * 7919}\n`).join(''))]) {
    const { digest } = await put(host.store, bytes)
    const { rows } = await sql<{ uuid: string; size_bytes: number; index_bytes: number }>`
      select uuid, size_bytes, index_bytes from segment where tail is null order by id desc limit 1`.execute(host.db.database.queries)
    const { uuid, size_bytes, index_bytes } = rows[0]!
    const path = join(host.folder, 'bucket', 'segment', uuid.slice(0, 2), uuid)
    const good = readFileSync(path)
    assert.equal(good.length, size_bytes)
    for (let n = 0; n < 60; n++) {
      // half of them in the index
      const at = n % 2 === 0 ? random.below(size_bytes - index_bytes) : size_bytes - 1 - random.below(index_bytes)
      const damaged = Buffer.from(good)
      damaged[at] = damaged[at]! ^ (1 << random.below(8))
      writeFileSync(path, damaged)
      await assertFoundOut(digest, bytes, `byte ${at} of ${size_bytes}`, true)
    }
    writeFileSync(path, good.subarray(0, good.length - 1))
    await assert.rejects(() => readAnew(digest), CorruptError)
    writeFileSync(path, good)
    assert.equal(Buffer.compare(await readAnew(digest), bytes), 0)
  }
})

test('a tail, and a recipe', async () => {
  const { queries } = host.db.database
  const bytes = Buffer.from(noise(5, 90_000).map((byte) => byte % 50))
  const { digest } = await put(host.store, bytes)
  const { rows } = await sql<{
    id: number
    tail: Uint8Array
  }>`select id, tail from segment where tail is not null order by id desc limit 1`.execute(queries)
  const { id, tail } = rows[0]!
  for (let n = 0; n < 60; n++) {
    const damaged = Buffer.from(tail)
    const at = random.below(tail.length)
    damaged[at] = damaged[at]! ^ (1 << random.below(8))
    await sql`update segment set tail = ${damaged} where id = ${id}`.execute(queries)
    await assertFoundOut(digest, bytes, `byte ${at} of a tail`, true)
  }
  await sql`update segment set tail = ${tail} where id = ${id}`.execute(queries)
  const recipe = (
    await sql<{ recipe: Uint8Array }>`select recipe from content where digest = ${Buffer.from(digest, 'hex')}`.execute(queries)
  ).rows[0]!.recipe
  for (let at = 0; at < recipe.length * 8; at++) {
    const damaged = Buffer.from(recipe)
    damaged[at >> 3] = damaged[at >> 3]! ^ (1 << (at % 8))
    await sql`update content set recipe = ${damaged} where digest = ${Buffer.from(digest, 'hex')}`.execute(queries)
    await assert.rejects(() => readAnew(digest), CorruptError, `bit ${at} of a recipe`)
  }
  await sql`update content set recipe = ${recipe} where digest = ${Buffer.from(digest, 'hex')}`.execute(queries)
})

test('the store itself says so, too, and names the key', async () => {
  const bytes = noise(9, 2 << 20)
  const { digest } = await put(host.store, bytes)
  const { rows } = await sql<{ uuid: string }>`select uuid from segment where tail is null order by id desc limit 1`.execute(
    host.db.database.queries,
  )
  const { uuid } = rows[0]!
  const path = join(host.folder, 'bucket', 'segment', uuid.slice(0, 2), uuid)
  const damaged = readFileSync(path)
  damaged[1_000_000] = damaged[1_000_000]! ^ 1
  writeFileSync(path, damaged)
  await assert.rejects(
    () => read(host.another(), digest),
    (error: unknown) => error instanceof CorruptError && error.message.includes(uuid),
  )
})
