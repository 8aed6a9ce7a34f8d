// What lets somebody in and stays (a password, an SSH key) is made by no credential that is weaker, or that ends by itself.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createToken, type Scope } from '../../src/access/index.ts'
import { systemRandomness } from '../../src/base/index.ts'
import { makeAccount } from '../support/accounts.ts'
import { openFaces, type TestFaces } from '../support/faces.ts'

let faces: TestFaces
before(async () => {
  faces = await openFaces({ isWhole: true })
})
after(async () => await faces?.close())

let made = 0
async function userWith(scopes: readonly Scope[] | null, expiresAt: Date | null = null): Promise<string> {
  const { login } = await makeAccount(faces.db, `user-${++made}`)
  const grant = scopes === null ? null : { scopes, ownerIds: null, repositoryIds: null }
  return createToken(faces.db, { account: login, name: 'scoped', expiresAt, grant }, systemRandomness)
}

async function send(method: 'POST' | 'PUT', url: string, token: string, body: unknown): Promise<[number, string?]> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const answer = await faces.listener.inject({ method, url: `/api/v3${url}`, headers, payload: JSON.stringify(body) })
  const field = answer.body === '' ? undefined : answer.json().errors?.[0]?.field
  return field === undefined ? [answer.statusCode] : [answer.statusCode, field]
}

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB5pMgFpmQz3nVhxkPm8mCg4oBzBwSgYkM3iKk0b2L3H'
const tomorrow = new Date(Date.now() + 24 * 3600_000)

test('a first password, by which sessions begin that may everything, needs a token that may everything', async () => {
  const password = { password: 'correct horse' }
  assert.deepEqual(await send('PUT', '/user/password', await userWith(['account:admin']), password), [422, 'password'])
  assert.deepEqual(await send('PUT', '/user/password', await userWith(null, tomorrow), password), [422, 'password'])
  const whole = await userWith(null)
  assert.deepEqual(await send('PUT', '/user/password', whole, password), [204])
  assert.deepEqual(await send('PUT', '/user/password', whole, { password: 'another horse' }), [422, 'current_password'])
})

test('an SSH key, which pushes to all that its user may, needs a token that may too, and stays', async () => {
  assert.deepEqual(await send('POST', '/user/keys', await userWith(['account:admin']), { key }), [422, 'key'])
  assert.deepEqual(await send('POST', '/user/keys', await userWith(['account:admin', 'repository:write']), { key }), [422, 'key'])
  assert.deepEqual(await send('POST', '/user/keys', await userWith(null, tomorrow), { key }), [422, 'key'])
  assert.deepEqual(await send('POST', '/user/keys', await userWith(['account:admin', 'repository:admin']), { key }), [201])
})
