// The spool of a running server: pushes that are too large for memory go through it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { noise } from '../support/seeded.ts'
import { Server } from '../support/server.ts'

const root = mkdtempSync(join(tmpdir(), 'stemma-server-spool-'))
const work = join(root, 'work')
let server: Server
let spool: string

before(async () => {
  server = await Server.start({ data: join(root, 'data') })
  spool = join(server.data, 'bucket', 'tmp')
  git('init', '-q', '-b', 'main', '.')
  commit(1)
})
after(async () => {
  await server.stop()
  rmSync(root, { recursive: true, force: true })
})

function git(...args: string[]): string {
  mkdirSync(work, { recursive: true })
  const flags = ['-c', 'user.name=a', '-c', 'user.email=a@b', '-c', server.eagerAuthorization, '-C', work]
  return spawnSync('git', [...flags, ...args], { encoding: 'utf8', timeout: 60_000 }).stderr
}

/** Two thirds of a MiB that can't be compressed: more than stays in memory. */
function commit(seed: number): void {
  writeFileSync(join(work, 'file'), noise(seed, 700_000))
  git('add', 'file')
  git('commit', '-q', '-m', String(seed))
}

async function push(): Promise<string> {
  return git('push', `${server.repositoryUrl('r', '')}`, 'main')
}

async function health(): Promise<{ status: number; body: { spool: { status: string } } }> {
  await sleep(4500) // as long as an answer about the spool may be old
  return server.api('GET', '/health', undefined, '')
}

test('a spool folder that was removed is made again', async () => {
  assert.match(await push(), /new branch/)
  rmSync(spool, { recursive: true })
  commit(2)
  assert.match(await push(), /main -> main/)
  assert.equal(existsSync(spool), true)
})

test('a spool without space: the client is told so, health says it, and both end with it', async (context) => {
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', spool])
  if (mount.status !== 0) return context.skip('a small file system cannot be mounted here (root with CAP_SYS_ADMIN can)')
  try {
    commit(3)
    assert.match(await push(), /no space left on the server/)
    const { status, body } = await health()
    assert.deepEqual([status, body.spool.status], [503, 'spool-full'])
  } finally {
    spawnSync('umount', [spool])
  }
  assert.match(await push(), /main -> main/)
  assert.equal((await health()).status, 200)
})
