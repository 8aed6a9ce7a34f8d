// `stemma repack` where the bucket is far away, on S3: packs are brought near, the new one goes up, and nothing of the work is left.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { stemma } from '../support/command.ts'
import { contentOf, Git, TempFolder, wholeClone } from '../support/git.ts'
import { stemmaOnly } from '../support/host.ts'
import { MemoryS3 } from '../support/memory-s3.ts'
import { Server } from '../support/server.ts'

let folder: TempFolder
let git: Git
let bucket: MemoryS3
let server: Server
before(async () => {
  folder = new TempFolder('repack-far')
  git = new Git(folder)
  bucket = await MemoryS3.start()
  server = await Server.start({ data: folder.join('data'), env: bucket.environment })
})
after(async () => {
  await server?.stop()
  await bucket?.stop()
  folder?.remove()
})

test('packs on S3 become one, each read once', stemmaOnly, async () => {
  const url = await server.create('far')
  const work = folder.join('work')
  await git.run(['init', '-q', work])
  for (let i = 0; i < 4; i++) {
    // more than a tail holds
    await git.commit(work, { large: randomBytes(400_000), [`text-${i}`]: `line ${i}\n`.repeat(2000) }, `commit ${i}`)
    await git.run(['push', '-q', url, 'HEAD:main'], { cwd: work })
  }
  const before = [...bucket.keys.keys()].filter((key) => key.includes('pack/'))
  assert.equal(before.length, 4)
  // by itself: the server's own background work reads new packs, too
  await server.stop()
  bucket.resetLog()
  const { code, stdout, stderr } = await stemma(['repack', 'admin/far', '--json', '--data', server.data], bucket.environment)
  assert.equal(code, 0, stderr)
  assert.equal(JSON.parse(stdout).packsBefore, 4)
  const reads = bucket.log.filter(({ verb, key }) => verb === 'get' && before.some((old) => key.endsWith(old)))
  assert.ok(reads.length <= 2 * before.length, `${reads.length} reads of ${before.length} packs: an index and a pack of each`)
  assert.deepEqual(
    readdirSync(folder.join('data', 'spool')).filter((name) => name.startsWith('repack-')),
    [],
  )
  await server.begin()
  const clone = await wholeClone(git, url, folder.join('clone.git'))
  assert.equal((await contentOf(git, clone)).objects, (await contentOf(git, work)).objects)
})
