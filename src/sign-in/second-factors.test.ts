import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { appOf } from '../../tests/support/otp-app.ts'
import { testDatabase, type TestDatabase } from '../../tests/support/test-database.ts'
import { type AccountId, createAccount, operator } from '../access/index.ts'
import { InputError, Sealer, systemRandomness } from '../base/index.ts'
import { SecondFactors } from './second-factors.ts'

let database: TestDatabase
let nowMs = 1_800_000_000_000
let factors: SecondFactors
const clock = { now: () => nowMs, monotonic: () => nowMs }
const sealer = new Sealer(new Uint8Array(32).fill(1), systemRandomness)
before(async () => {
  database = await testDatabase()
  factors = new SecondFactors({ db: database.database, clock, randomness: systemRandomness, sealer })
})
after(async () => await database?.close())

type Holder = { readonly id: AccountId; readonly login: string }

async function holder(login: string): Promise<Holder> {
  return createAccount(database.database, { login })
}

async function enabled(login: string) {
  const who = await holder(login)
  const app = appOf(await factors.begin(who, 'auth-and-writes', 'git.example.org'), () => nowMs)
  const codes = await factors.confirm(who, app(), operator)
  nowMs += 30_000
  return { who, app, codes }
}

const refused = (code: string) => (error: unknown) => error instanceof InputError && error.code === code

test('nothing is asked for until a code has been shown', async () => {
  const who = await holder('pending')
  await factors.demand(who, null)
  const app = appOf(await factors.begin(who, 'auth-only', 'git.example.org'), () => nowMs)
  await factors.demand(who, null)
  assert.deepEqual(await factors.find(database.database.queries, who.id), { mode: 'auth-only', isPending: true })
  await assert.rejects(factors.confirm(who, '000000', operator), refused('otp-wrong'))
  assert.equal((await factors.confirm(who, app(), operator)).length, 10)
  await assert.rejects(factors.demand(who, null), refused('otp-required'))
  await assert.rejects(factors.begin(who, 'auth-only', 'git.example.org'), refused('otp-exists'))
})

test('a code is taken once, and none that is older afterwards', async () => {
  const { who, app } = await enabled('once')
  const code = app()
  await factors.demand(who, code)
  await assert.rejects(factors.demand(who, code), refused('otp-wrong'))
  await assert.rejects(factors.demand(who, app(-1)), refused('otp-wrong'))
  await factors.demand(who, app(1))
})

test('of two that show one code at once, one is let in', async () => {
  const { who, app } = await enabled('both')
  const code = app()
  const all = await Promise.allSettled([factors.demand(who, code), factors.demand(who, code), factors.demand(who, code)])
  assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('one run of a client may repeat its code; another run, or a sign-in, may not', async () => {
  const { who, app } = await enabled('run')
  const code = app()
  await factors.demand(who, code, '7 a')
  await factors.demand(who, code, '7 a')
  for (const run of ['7 b', '8 a', null]) await assert.rejects(factors.demand(who, code, run), refused('otp-wrong'))
})

test('whoever guesses waits, the longer the more he has guessed; a good code ends that', async () => {
  const { who, app } = await enabled('guessed')
  for (let i = 0; i < 5; i++) await assert.rejects(factors.demand(who, '000000'), refused('otp-wrong'))
  await assert.rejects(factors.demand(who, app()), refused('otp-locked'))
  nowMs += 30_000
  await assert.rejects(factors.demand(who, '000000'), refused('otp-wrong'))
  nowMs += 30_000
  await assert.rejects(factors.demand(who, app()), refused('otp-locked'))
  nowMs += 30_000
  await factors.demand(who, app())
  nowMs += 30_000
  await factors.demand(who, app())
})

test('a recovery code is as good as one of the app, once', async () => {
  const { who, codes } = await enabled('lost')
  const [first = '', second = ''] = codes
  await factors.demand(who, first.toUpperCase())
  await assert.rejects(factors.demand(who, first), refused('otp-wrong'))
  await factors.disable(who, second, operator)
  await factors.demand(who, null)
})

test('disabling, and asking at other times, take a code', async () => {
  const { who, app } = await enabled('change')
  await assert.rejects(factors.disable(who, null, operator), refused('otp-required'))
  await factors.change(who, app(), 'auth-only', operator)
  assert.deepEqual(await factors.find(database.database.queries, who.id), { mode: 'auth-only', isPending: false })
  nowMs += 30_000
  await factors.disable(who, app(), operator)
  assert.equal(await factors.find(database.database.queries, who.id), null)
})

test('no secret and no code stands in the database', async () => {
  const { codes } = await enabled('stored')
  const rows = JSON.stringify(await database.database.queries.selectFrom('account_otp').selectAll().execute())
  assert.match(rows, /sealed:1:/)
  for (const code of codes) assert.ok(!rows.includes(code) && !rows.includes(Buffer.from(code).toString('base64')))
})
