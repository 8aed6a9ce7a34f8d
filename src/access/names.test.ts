import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isCrossSite, sentToken } from './credentials.ts'
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
  const tokenOf = (authorization: string) => sentToken({ authorization })
  assert.equal(sentToken({}), null)
  const sent = ['Bearer stm_1', 'bearer  stm_1', 'token stm_1', basic('admin:stm_1'), basic(':stm_1'), basic('someone else:stm_1')]
  for (const header of sent) assert.deepEqual(tokenOf(header), { token: 'stm_1', carrier: 'header' }, header)
  assert.deepEqual(tokenOf(basic('a:b:c')), { token: 'b:c', carrier: 'header' })
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

test('a session cookie counts where no header is sent, and only under its own name', () => {
  const cookie = 'theme=dark; stemma_session=stm_2; other=x'
  assert.deepEqual(sentToken({ cookie }), { token: 'stm_2', carrier: 'cookie' })
  assert.deepEqual(sentToken({ cookie, authorization: 'Bearer stm_1' }), { token: 'stm_1', carrier: 'header' })
  assert.equal(sentToken({ cookie, authorization: 'Bearer' }), 'malformed')
  for (const other of ['', 'x', 'stemma_session', 'stemma_session=', 'xstemma_session=stm_2', '=; ;'])
    assert.equal(sentToken({ cookie: other }), null)
})

test('what a page of another site sends with the cookie of its visitor is told apart', () => {
  const host = 'git.example.org'
  const isForeign = (headers: Record<string, string>, method = 'POST') => isCrossSite(method, headers, host)
  for (const site of ['cross-site', 'same-site', 'anything']) assert.equal(isForeign({ 'sec-fetch-site': site }), true, site)
  for (const site of ['same-origin', 'none']) assert.equal(isForeign({ 'sec-fetch-site': site, origin: 'https://evil.example' }), false)
  for (const origin of ['https://evil.example', 'null', 'https://git.example.org.evil.example', 'https://git.example.org:8443', '']) {
    assert.equal(isForeign({ origin }), true, origin)
  }
  assert.equal(isForeign({ origin: 'https://git.example.org' }), false)
  assert.equal(isForeign({}), false)
  assert.equal(isForeign({ 'sec-fetch-site': 'cross-site' }, 'GET'), false)
})
