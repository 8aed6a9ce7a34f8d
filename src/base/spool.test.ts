// The spool folder: written to, made again, and when it had better not be.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { asOrdinaryUser } from '../../tests/support/ordinary-user.ts'
import { makeFolders } from './folder.ts'
import { probeSpool } from './spool.ts'

const root = mkdtempSync(join(tmpdir(), 'stemma-base-spool-'))
after(() => rmSync(root, { recursive: true, force: true }))

test('the probe leaves nothing, and makes the folder again beside others only', async () => {
  const spool = join(root, 'data', 'tmp')
  await makeFolders(spool, 0o700)
  await probeSpool(spool)
  assert.deepEqual(readdirSync(spool), [])
  rmSync(spool, { recursive: true })
  // An empty folder may be where a disk should be mounted.
  await assert.rejects(probeSpool(spool), { code: 'spool-missing', message: /is empty: is its disk mounted/ })
  assert.equal(existsSync(spool), false)
  mkdirSync(join(root, 'data', 'pack'))
  await probeSpool(spool)
  assert.equal(existsSync(spool), true)
  rmSync(join(root, 'data'), { recursive: true })
  await assert.rejects(probeSpool(spool), { code: 'spool-missing' })
})

test('a spool that is no folder or may not be written', async () => {
  writeFileSync(join(root, 'file'), '')
  await assert.rejects(probeSpool(join(root, 'file')), { code: 'spool-missing' })
  mkdirSync(join(root, 'closed'))
  chmodSync(join(root, 'closed'), 0o555)
  await asOrdinaryUser(root, () => assert.rejects(probeSpool(join(root, 'closed')), { code: 'spool-denied' }))
})

test('making a folder that cannot be ends', async () => {
  await makeFolders(join(root, 'a', 'b', 'c'), 0o700)
  await makeFolders(join(root, 'a', 'b', 'c'), 0o700)
  await assert.rejects(makeFolders('/proc/x/y', 0o700), { code: 'ENOENT' })
  await assert.rejects(makeFolders(join(root, 'file', 'x'), 0o700), { code: 'ENOTDIR' })
})
