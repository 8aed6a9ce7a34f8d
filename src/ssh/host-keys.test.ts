// Host keys: made once, the same for all; and those that are given in files.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import ssh2 from 'ssh2'
import { isSealed, makeLog, Sealer, systemRandomness } from '../base/index.ts'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import { forgetHostKeys, hostKeys } from './host-keys.ts'

const log = makeLog('silent')
const sealer = new Sealer(Buffer.from('as hard to guess as any text in a test can be'), systemRandomness)
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
  const [one, two] = await Promise.all([hostKeys(db.database, sealer, null, log), hostKeys(db.database, sealer, null, log)])
  assert.deepEqual(one, two)
  assert.deepEqual(await hostKeys(db.database, sealer, null, log), one)
  const types = one.map((text) => (ssh2.utils.parseKey(text) as ssh2.ParsedKey).type)
  assert.deepEqual(types, ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa'])
})

test('the database alone tells no key, and another server’s secret opens none', async () => {
  await hostKeys(db.database, sealer, null, log)
  const rows = await db.database.queries.selectFrom('ssh_host_key').selectAll().execute()
  assert.ok(rows.length === 3 && rows.every((row) => isSealed(row.private_key)))
  const other = new Sealer(Buffer.from('another text that is as hard to guess'), systemRandomness)
  await assert.rejects(hostKeys(db.database, other, null, log), { code: 'other-key' })
  const before = await hostKeys(db.database, sealer, null, log)
  assert.equal(await forgetHostKeys(db.database), 3)
  assert.notDeepEqual(await hostKeys(db.database, other, null, log), before)
})

test('keys in files are taken in their order; what is none is an error that names the file', async () => {
  const file = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  const made = ssh2.utils.generateKeyPairSync('ed25519')
  const own = file('own', made.private)
  assert.deepEqual(await hostKeys(db.database, sealer, [own], log), [made.private])
  const sealed = ssh2.utils.generateKeyPairSync('ed25519', { passphrase: 'secret', cipher: 'aes256-ctr', rounds: 16 })
  for (const path of [join(folder, 'missing'), file('public', made.public), file('noise', 'noise'), file('sealed', sealed.private)]) {
    await assert.rejects(hostKeys(db.database, sealer, [own, path], log), (error: Error & { code?: string }) => {
      return error.code === 'host-key' && error.message.includes(path)
    })
  }
})
