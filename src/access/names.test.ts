import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { tokenOf } from './credentials.ts'
import { assertLogin, assertRepositoryName, isRepositoryName, reservedLogins } from './names.ts'

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

test('logins', () => {
  for (const login of ['admin', 'a', 'A.b-c_d', 'x'.repeat(64), 'git', 'stemma']) assertLogin(login)
  for (const login of ['', '-a', 'a-', '.a', 'a/b', 'a b', 'ä', 'x'.repeat(65), 'a.git', 'a\n', '..']) {
    assert.throws(() => assertLogin(login), { name: 'InputError', code: 'bad-login' }, login)
  }
  for (const login of [...reservedLogins, 'API', 'Openapi.JSON']) assert.throws(() => assertLogin(login), { code: 'reserved-login' }, login)
})

test('repository names', () => {
  for (const name of ['a', '-', '...', '.github', 'a.git.b', 'x'.repeat(100)]) assertRepositoryName(name)
  for (const name of ['', '.', '..', 'a.git', '.GIT', 'a/b', 'a b', 'x'.repeat(101), 'a\n', 'ä']) {
    assert.throws(() => assertRepositoryName(name), { name: 'InputError', code: 'bad-repository-name' }, name)
  }
  fc.assert(fc.property(fc.string(), (name) => !isRepositoryName(name) || !/[/\s\0]/.test(name)))
})

test('the token in an Authorization header', () => {
  assert.equal(tokenOf(undefined), null)
  const sent = ['Bearer stm_1', 'bearer  stm_1', 'token stm_1', basic('admin:stm_1'), basic(':stm_1'), basic('someone else:stm_1')]
  for (const header of sent) assert.deepEqual(tokenOf(header), { token: 'stm_1' }, header)
  assert.deepEqual(tokenOf(basic('a:b:c')), { token: 'b:c' })
  const odd = [
    '',
    ' ',
    'Bearer',
    'Bearer ',
    'Bearer a b',
    'Digest x',
    basic(''),
    basic(':'),
    basic('admin:'),
    basic('stm_1'),
    'Basic %%%',
    'stm_1',
  ]
  for (const header of odd) assert.equal(tokenOf(header), 'malformed', header)
  fc.assert(fc.property(fc.string(), (header) => void tokenOf(header)))
})
