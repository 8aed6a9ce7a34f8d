// Which part is sent when: ahead, bounded, the first one last; and how an upload ends when a part fails.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { UnavailableError } from '../base/index.ts'
import type { ByteRange } from './bucket.ts'
import { type PartTarget, PartUpload } from './part-upload.ts'
import { pause } from './retry.ts'

/** Writes down what it is asked, and holds each part until it is let go. */
class WatchedTarget implements PartTarget {
  readonly partSizeBytes = 10
  readonly concurrency = 3
  readonly asked: string[] = []
  running = 0
  mostRunning = 0
  failOn = 0

  async putWhole(sizeBytes: number): Promise<void> {
    this.asked.push(`whole ${sizeBytes}`)
  }
  async begin(): Promise<void> {
    this.asked.push('begin')
  }
  async sendPart(number: number, range: ByteRange): Promise<void> {
    this.asked.push(`part ${number} ${range.offset}+${range.sizeBytes}`)
    this.mostRunning = Math.max(this.mostRunning, ++this.running)
    await pause(3)
    this.running--
    if (number === this.failOn) throw new UnavailableError('bucket-unavailable', 'told to fail')
  }
  async finish(partCount: number, sizeBytes: number): Promise<void> {
    assert.equal(this.running, 0)
    this.asked.push(`finish ${partCount} ${sizeBytes}`)
  }
  async cancel(): Promise<void> {
    assert.equal(this.running, 0, 'no part is under way when the upload is removed')
    this.asked.push('cancel')
  }
}

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stemma-part-upload-'))
})
after(async () => {
  await rm(folder, { recursive: true })
})

async function begun(): Promise<{ target: WatchedTarget; upload: PartUpload; path: string }> {
  const path = join(folder, 'file')
  await writeFile(path, 'x')
  const target = new WatchedTarget()
  return { target, upload: new PartUpload(target, path), path }
}

test('what fits one part is one request', async () => {
  for (const sizeBytes of [0, 1, 10]) {
    const { target, upload, path } = await begun()
    upload.advance(sizeBytes)
    await upload.complete(sizeBytes)
    assert.deepEqual(target.asked, [`whole ${sizeBytes}`])
    assert.equal(existsSync(path), false)
  }
})

test('parts are sent when all their bytes were announced; the first one last; never more than allowed at a time', async () => {
  const { target, upload } = await begun()
  upload.advance(19)
  await pause(10)
  assert.deepEqual(target.asked, [])
  upload.advance(20)
  upload.advance(15)
  await pause(10)
  assert.deepEqual(target.asked, ['begin', 'part 2 10+10'])
  upload.advance(85)
  await upload.complete(95)
  assert.equal(target.mostRunning, 3)
  assert.deepEqual(target.asked.slice(-3), ['part 10 90+5', 'part 1 0+10', 'finish 10 95'])
  assert.equal(target.asked.length, 12)
})

test('a part that fails fails complete, and what was sent is removed', async () => {
  for (const failOn of [1, 2, 4]) {
    const { target, upload, path } = await begun()
    target.failOn = failOn
    upload.advance(60)
    await assert.rejects(upload.complete(60), { code: 'bucket-unavailable' })
    assert.equal(target.asked.at(-1), 'cancel')
    assert.equal(existsSync(path), false)
    await assert.rejects(upload.complete(60), { code: 'aborted' })
    await upload.abort()
    assert.equal(target.asked.filter((asked) => asked === 'cancel').length, 1)
  }
})

test('abort waits for the parts under way; nothing is sent afterwards', async () => {
  const { target, upload } = await begun()
  upload.advance(1000)
  await pause(1)
  await upload.abort()
  const asked = target.asked.length
  upload.advance(2000)
  await pause(10)
  assert.equal(target.asked.length, asked)
  assert.equal(target.asked.at(-1), 'cancel')
})
