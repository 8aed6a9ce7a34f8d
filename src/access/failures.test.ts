import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../base/index.ts'
import { Refusal } from '../http/index.ts'
import { Failures } from './failures.ts'

const ours = `stm_${'0'.repeat(40)}`
const chosen = 'a-token-that-somebody-chose'

function failuresAt() {
  const time = { ms: 0 }
  return { time, failures: new Failures({ failures: 5, accountFailures: 3 }, { now: () => time.ms, monotonic: () => time.ms }) }
}

const isRefused = (act: () => void): boolean => {
  try {
    act()
    return false
  } catch (error) {
    assert.ok(error instanceof Refusal && error.status === 429 && /^\d+$/.test(error.headers['retry-after'] ?? ''), String(error))
    return true
  }
}

function failTokens(failures: Failures, ip: string): void {
  for (let i = 0; i < 10; i++) isRefused(() => failures.tokenFailed(ip))
}

test('beyond the limit a bad token is told so, and a good one of ours goes on', () => {
  const { time, failures } = failuresAt()
  for (let i = 0; i < 5; i++)
    assert.equal(
      isRefused(() => failures.tokenFailed('192.0.2.1')),
      false,
    )
  assert.ok(isRefused(() => failures.tokenFailed('192.0.2.1')))
  assert.equal(
    isRefused(() => failures.assertMayTryToken('192.0.2.1', ours)),
    false,
  )
  assert.equal(
    isRefused(() => failures.tokenFailed('192.0.2.2')),
    false,
  )
  time.ms += 60_000
  assert.equal(
    isRefused(() => failures.tokenFailed('192.0.2.1')),
    false,
  )
})

test('what could be guessed isn’t looked at beyond the limit, unless that address was let in with it', () => {
  const { failures } = failuresAt()
  failures.tokenSucceeded('192.0.2.1', chosen)
  failTokens(failures, '192.0.2.1')
  assert.ok(isRefused(() => failures.assertMayTryToken('192.0.2.1', 'another-that-is-tried')))
  assert.equal(
    isRefused(() => failures.assertMayTryToken('192.0.2.1', chosen)),
    false,
  )
  assert.equal(
    isRefused(() => failures.assertMayTryToken('192.0.2.2', 'another-that-is-tried')),
    false,
  )
})

test('passwords: by account from everywhere, but strangers don’t lock out who signed in before', () => {
  const { failures } = failuresAt()
  failures.passwordSucceeded('192.0.2.1', 'Olive')
  for (let i = 0; i < 4; i++) failures.passwordFailed(`198.51.100.${i}`, 'olive')
  assert.ok(isRefused(() => failures.assertMayTryPassword('203.0.113.1', 'OLIVE')))
  assert.equal(
    isRefused(() => failures.assertMayTryPassword('192.0.2.1', 'olive')),
    false,
  )
  assert.equal(
    isRefused(() => failures.assertMayTryPassword('203.0.113.1', 'sam')),
    false,
  )
  for (let i = 0; i < 3; i++) failures.passwordFailed('192.0.2.1', 'olive')
  assert.ok(
    isRefused(() => failures.assertMayTryPassword('192.0.2.1', 'olive')),
    'nor is that address free to guess',
  )
})

test('passwords: one address may not go from account to account', () => {
  const { failures } = failuresAt()
  for (let i = 0; i < 6; i++) failures.passwordFailed('2001:db8::1', `user-${i}`)
  assert.ok(isRefused(() => failures.assertMayTryPassword('2001:db8::2', 'another')))
})

test('passwords that are tried at one time are no more than one after the other, and the right one counts for nothing', async () => {
  const { failures } = failuresAt()
  const wrong = async () => {
    await Promise.resolve()
    throw new InputError('bad-password', 'wrong')
  }
  const ends = await Promise.all(
    Array.from({ length: 9 }, async () =>
      failures.tryPassword('192.0.2.1', 'olive', wrong).catch((error: unknown) => (error instanceof Refusal ? 'not tried' : 'wrong')),
    ),
  )
  assert.deepEqual(ends.sort(), [...Array.from({ length: 6 }, () => 'not tried'), 'wrong', 'wrong', 'wrong'])
  for (let i = 0; i < 9; i++) assert.equal(await failures.tryPassword('192.0.2.2', 'sam', async () => 'in'), 'in')
  const busy = async () => Promise.reject(new Error('too many at once'))
  for (let i = 0; i < 9; i++) await assert.rejects(failures.tryPassword('192.0.2.3', 'popeye', busy), /too many at once/)
  failures.assertMayTryPassword('192.0.2.3', 'popeye')
})

test('off is off', () => {
  const failures = new Failures({ failures: 0, accountFailures: 0 }, { now: () => 0, monotonic: () => 0 })
  failTokens(failures, '192.0.2.1')
  failures.assertMayTryToken('192.0.2.1', chosen)
  for (let i = 0; i < 100; i++) failures.passwordFailed('192.0.2.1', 'olive')
  failures.assertMayTryPassword('192.0.2.1', 'olive')
})
