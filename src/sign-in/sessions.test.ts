// What a sign-in by password does before it says no: the same, whether or not there is such a login.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createAccount, findAccount, operator } from '../access/index.ts'
import { systemClock, systemRandomness } from '../base/index.ts'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import { Passwords, type SignInParts, setPassword, signInByPassword } from './index.ts'

let scratch: TestDatabase
let parts: SignInParts
/** What was worked out. */
let checked: (string | null)[] = []

class WatchedPasswords extends Passwords {
  override async verify(password: string, stored: string | null) {
    checked.push(stored === null ? null : 'a hash')
    return super.verify(password, stored)
  }
}

before(async () => {
  scratch = await testDatabase()
  parts = { db: scratch.database, clock: systemClock, randomness: systemRandomness, passwords: new WatchedPasswords(systemRandomness) }
  for (const login of ['known', 'tokens-only', 'suspended']) await createAccount(scratch.database, { login })
  for (const login of ['known', 'suspended']) {
    const account = await findAccount(scratch.database.queries, login)
    assert.ok(account)
    await setPassword(parts, account, { password: 'correct horse' }, operator)
  }
  await scratch.database.queries.updateTable('account').set({ suspended_at: new Date() }).where('login', '=', 'suspended').execute()
})
after(async () => await scratch?.close())

const visitor = { ip: '192.0.2.1', requestId: 'r', userAgent: null, priorSecret: null }

async function refused(login: string, password: string) {
  checked = []
  const rows = async () =>
    (await scratch.database.queries.selectFrom('audit').select('target').where('action', '=', 'session.refuse').execute()).length
  const before = await rows()
  const error = await signInByPassword(parts, { login, password }, visitor).then(
    () => null,
    (thrown: Error & { code?: string }) => thrown,
  )
  return { told: [error?.code, error?.message], worked: checked.length, rows: (await rows()) - before }
}

test('token timing, passwords: a wrong one, none to compare with and an unknown login take the same work and write the same', async () => {
  const wrong = await refused('known', 'wrong horse')
  assert.deepEqual(wrong, { told: ['bad-password', 'Incorrect login or password'], worked: 1, rows: 1 })
  for (const login of ['nobody', 'tokens-only', 'suspended']) assert.deepEqual(await refused(login, 'wrong horse'), wrong, login)
})

test('what was typed as an unknown login is not kept: it may be somebody’s password', async () => {
  await refused('my secret password', 'x')
  const rows = await scratch.database.queries.selectFrom('audit').selectAll().execute()
  assert.doesNotMatch(JSON.stringify(rows), /my secret password/)
})

test('a suspended user is told so only when he has shown that it is him', async () => {
  assert.equal((await refused('suspended', 'correct horse')).told[0], 'suspended')
})
