// Host keys: made once, the same for all; and those that are given in files.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import ssh2 from 'ssh2'
import { makeLog } from '../base/index.ts'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import { hostKeys } from './host-keys.ts'

const log = makeLog('silent')
const folder = mkdtempSync(join(tmpdir(), 'stemma-host-keys-'))
let db: TestDatabase
before(async () => {
  db = await testDatabase()
})
after(async () => {
  await db?.close()
  rmSync(folder, { recursive: true, force: true })
})

test('two first starts at once come to the same keys, and so does every later one', async () => {
  const [one, two] = await Promise.all([hostKeys(db.database, null, log), hostKeys(db.database, null, log)])
  assert.deepEqual(one, two)
  assert.deepEqual(await hostKeys(db.database, null, log), one)
  const types = one.map((text) => (ssh2.utils.parseKey(text) as ssh2.ParsedKey).type)
  assert.deepEqual(types, ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa'])
})

test('keys in files are taken in their order; what is none is an error that names the file', async () => {
  const file = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  const made = ssh2.utils.generateKeyPairSync('ed25519')
  const own = file('own', made.private)
  assert.deepEqual(await hostKeys(db.database, [own], log), [made.private])
  const sealed = ssh2.utils.generateKeyPairSync('ed25519', { passphrase: 'secret', cipher: 'aes256-ctr', rounds: 16 })
  for (const path of [join(folder, 'missing'), file('public', made.public), file('noise', 'noise'), file('sealed', sealed.private)]) {
    await assert.rejects(hostKeys(db.database, [own, path], log), (error: Error & { code?: string }) => {
      return error.code === 'host-key' && error.message.includes(path)
    })
  }
})
