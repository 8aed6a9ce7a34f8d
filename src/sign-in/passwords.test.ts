import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandomness, UnavailableError } from '../base/index.ts'
import { assertPassword, Passwords } from './passwords.ts'

const passwords = new Passwords(systemRandomness)

test('a password is known again by its hash, which is another one each time', async () => {
  const [first, second] = [await passwords.hash('correct horse'), await passwords.hash('correct horse')]
  assert.match(first, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  assert.notEqual(first, second)
  assert.deepEqual(await passwords.verify('correct horse', first), { isRight: true, isOld: false })
  assert.deepEqual(await passwords.verify('correct horse ', first), { isRight: false, isOld: false })
})

test('a hash that another program made counts by its own parameters, and is told to be old', async () => {
  // argon2 -id of the reference implementation: password "password", salt "somesalt", m=65536, t=2, p=1
  const reference = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  assert.deepEqual(await passwords.verify('password', reference), { isRight: true, isOld: true })
})

test('where there is no hash, or none that is one, no password is right', async () => {
  for (const stored of [null, '', 'plain', '$argon2i$v=19$m=1,t=1,p=1$YQ$YQ', '$argon2id$v=19$m=19456,t=2,p=1$$']) {
    assert.deepEqual(await passwords.verify('password', stored), { isRight: false, isOld: false })
  }
})

test('no more than some are worked out or wait at once', async () => {
  const few = new Passwords(systemRandomness, { atOnce: 1, mostWaiting: 3 })
  const many = await Promise.allSettled(Array.from({ length: 8 }, () => few.verify('x', null)))
  const refused = many.filter((one) => one.status === 'rejected')
  assert.equal(refused.length, 8 - 3)
  assert.ok(refused.every((one) => one.reason instanceof UnavailableError))
})

test('what is no password', () => {
  assertPassword('eight888', 'login')
  assertPassword('пароль', 'login')
  for (const bad of ['', 'seven77', 'x'.repeat(1025)]) assert.throws(() => assertPassword(bad, 'login'), { code: 'weak-password' })
  assert.throws(() => assertPassword('Administrator', 'administrator'), { code: 'weak-password' })
})
