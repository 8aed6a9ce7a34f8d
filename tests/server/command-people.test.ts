// `stemma` as whoever administers the server uses it: users, organisations, collaborators, repositories, tokens, and the audit of all that.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { systemRandomness } from '../../src/base/index.ts'
import { Passwords } from '../../src/sign-in/index.ts'
import { makeAccount } from '../support/accounts.ts'
import type { TestApi } from '../support/api.ts'
import { CommandStand } from '../support/command-stand.ts'

let stand: CommandStand
let api: TestApi
before(async () => {
  stand = await CommandStand.open()
  api = stand.api
})
after(async () => await stand?.close())

const ok = (...args: string[]) => stand.ok(...args)
const json = (...args: string[]) => stand.json(...args)
const wrong = (code: number, words: RegExp, ...args: string[]) => stand.wrong(code, words, ...args)

const ask = (token: string, path: string) =>
  api.listener.inject({ url: `/api/v3${path}`, headers: { authorization: `Bearer ${token}` } }).then(({ statusCode }) => statusCode)

test('users', async () => {
  const password = join(stand.folder, 'password')
  writeFileSync(password, 'a sentence is a good one\n')
  const [made] = await json('user', 'create', 'Carol', '--name', 'Carol C', '--email', 'c@example.org', '--password-file', password)
  assert.deepEqual([made?.login, made?.name, made?.email, made?.admin], ['Carol', 'Carol C', 'c@example.org', false])
  const row = await api.db.queries.selectFrom('account').select('password_hash').where('login', '=', 'Carol').executeTakeFirst()
  const verdict = await new Passwords(systemRandomness).verify('a sentence is a good one', row?.password_hash ?? null)
  assert.equal(verdict.isRight, true)
  await wrong(1, /There is an account 'CAROL' already/, 'user', 'create', 'CAROL')
  await wrong(1, /name 'api' is reserved/, 'user', 'create', 'api')
  await wrong(1, /no account 'nobody'; stemma user list/, 'user', 'suspend', 'nobody')
  await wrong(2, /needs --password-file/, 'user', 'password', 'carol')
  await wrong(2, /takes LOGIN: see stemma user show --help/, 'user', 'show')
  const token = (await ok('token', 'create', '--account', 'carol', '--name', 'laptop')).trim()
  assert.equal(await ask(token, '/user'), 200)
  assert.match(await ok('user', 'suspend', 'carol'), /^Carol may do nothing until stemma user unsuspend\n$/)
  assert.equal(await ask(token, '/user'), 403)
  assert.match(await ok('user', 'list'), /^LOGIN\tNAME\tEMAIL\tSTATE\tCREATED\n[^]*Carol\tCarol C\tc@example.org\tsuspended\t/)
  await ok('user', 'unsuspend', 'carol')
  assert.match(await ok('user', 'disable-2fa', 'carol'), /^Carol has none\n$/)
  await ok('user', 'promote', 'carol')
  assert.equal(await ask(token, '/audit-log'), 200)
  await ok('user', 'demote', 'carol')
  assert.equal(await ask(token, '/audit-log'), 403)
  await ok('user', 'rename', 'carol', 'caroline')
  assert.match(await ok('user', 'show', 'caroline'), /^login\tcaroline\n[^]*tokens\t1\n/)
  await wrong(2, /--yes does it/, 'user', 'delete', 'caroline')
  await ok('user', 'delete', 'caroline', '--yes')
  assert.equal(await ask(token, '/user'), 401)
})

test('organisations and their members', async () => {
  assert.match(await ok('org', 'create', 'guild', '--account', 'olive', '--name', 'The Guild'), /^guild is there; olive administers it\n$/)
  await wrong(1, /guild is an organization; stemma user list/, 'user', 'suspend', 'guild')
  assert.match(await ok('org', 'add', 'guild', 'sam', '--role', 'write'), /^sam may read and push everything in guild\n$/)
  await wrong(2, /--role owner is none of read, write, admin/, 'org', 'add', 'guild', 'sam', '--role', 'owner')
  assert.deepEqual(await json('org', 'members', 'guild'), [
    { login: 'Olive', role: 'admin' },
    { login: 'sam', role: 'write' },
  ])
  await wrong(1, /Nobody else administers guild; make someone its admin first/, 'org', 'remove', 'guild', 'olive')
  await ok('org', 'remove', 'guild', 'sam')
  await ok('org', 'rename', 'guild', 'gild')
  await ok('org', 'rename', 'gild', 'guild')
  await wrong(1, /sam is no member of guild; stemma org members guild/, 'org', 'remove', 'guild', 'sam')
  assert.match(await ok('org', 'list'), /^LOGIN\tNAME\tCREATED\nguild\tThe Guild\t/)
})

test('repositories and collaborators', async () => {
  assert.match(await ok('repository', 'create', 'olive/app'), /^Olive\/app is there, private\n$/)
  assert.equal(await ask(api.stranger.token, '/repos/olive/app'), 404)
  await ok('collaborator', 'add', 'olive/app', 'sam', '--role', 'read')
  assert.equal(await ask(api.stranger.token, '/repos/olive/app'), 200)
  assert.deepEqual(await json('collaborator', 'list', 'olive/app'), [
    { login: 'Olive', role: 'admin' },
    { login: 'sam', role: 'read' },
  ])
  await ok('collaborator', 'remove', 'olive/app', 'sam')
  await wrong(1, /sam is no collaborator of Olive\/app; stemma collaborator list/, 'collaborator', 'remove', 'olive/app', 'sam')
  await ok('repository', 'visibility', 'olive/app', 'internal')
  assert.equal(await ask(api.stranger.token, '/repos/olive/app'), 200)
  await wrong(2, /'secret' is none of public, internal, private/, 'repository', 'visibility', 'olive/app', 'secret')
  await ok('repository', 'rename', 'olive/app', 'program')
  assert.match(await ok('repository', 'transfer', 'olive/program', 'guild'), /^olive\/program is guild\/program now/)
  const [listed, ...more] = await json('repository', 'list', '--owner', 'guild')
  assert.deepEqual([listed?.repository, listed?.visibility, listed?.packBytes, more.length], ['guild/program', 'internal', 0, 0])
  await wrong(1, /guild has repositories; delete or transfer them first/, 'org', 'delete', 'guild', '--yes')
  await wrong(2, /--yes does it \(stemma export/, 'repository', 'delete', 'guild/program')
  await ok('repository', 'delete', 'guild/program', '--yes')
  await wrong(1, /no repository 'guild\/program'; stemma repository list/, 'repository', 'delete', 'guild/program', '--yes')
})

test('tokens: for everything, for some things, and a repository’s own', async () => {
  await ok('repository', 'create', 'olive/one')
  await ok('repository', 'create', 'olive/two')
  const bound = await ok(
    'token',
    'create',
    '--account',
    'olive',
    '--name',
    'one',
    '--scope',
    'repository:read',
    '--repository',
    'olive/one',
  )
  const seen = async (token: string) => Promise.all([ask(token, '/repos/olive/one'), ask(token, '/repos/olive/two')])
  assert.deepEqual(await seen(bound.trim()), [200, 404])
  const [deploy] = await json('token', 'create', '--repository', 'olive/two', '--name', 'staging', '--expires', '90d')
  assert.deepEqual(await seen(String(deploy?.token)), [404, 200])
  await wrong(2, /needs --account; or, for a token that is a repository's own/, 'token', 'create', '--name', 'x')
  await wrong(2, /narrow what --scope gives/, 'token', 'create', '--account', 'olive', '--name', 'x', '--repository', 'olive/one')
  await wrong(1, /no scope 'repo'; there are repository:read/, 'token', 'create', '--account', 'olive', '--name', 'x', '--scope', 'repo')
  await wrong(2, /takes --scope/, 'token', 'create', '--repository', 'olive/two', '--name', 'x', '--scope', 'server:admin')
  const [own] = await json('token', 'list', '--repository', 'olive/two')
  assert.deepEqual([own?.kind, own?.bearer, own?.name, own?.scopes], ['deploy', 'Olive/two', 'staging', ['repository:read']])
  assert.match(
    await ok('token', 'list', '--account', 'olive'),
    /^ACCOUNT\tNAME\tSCOPES[^]*Olive\tone\trepository:read\t[^]*Olive\ttest\tall\t/,
  )
  await ok('token', 'revoke', '--repository', 'olive/two', '--name', 'staging')
  assert.deepEqual(await seen(String(deploy?.token)), [401, 401])
  await ok('token', 'revoke', '--account', 'olive', '--name', 'one')
  assert.deepEqual(await seen(bound.trim()), [401, 401])
  await wrong(1, /no token named 'one'; stemma token list/, 'token', 'revoke', '--account', 'olive', '--name', 'one')
})

test('the audit has all of it, and is narrowed', async () => {
  const all = await json('audit')
  const words = new Set(all.map(({ action }) => action))
  const expected =
    `account.create account.password account.suspend account.unsuspend account.promote account.demote account.rename account.delete
    organization.create member.add member.remove organization.rename repository.create collaborator.add collaborator.remove repository.change repository.transfer
    repository.delete token.create token.revoke`.split(/\s+/)
  assert.deepEqual(
    expected.filter((word) => !words.has(word)),
    [],
  )
  assert.ok(all.every(({ actor }) => actor === 'the operator'))
  assert.equal(JSON.stringify(all).includes('stm_'), false)
  const ids = all.map(({ id }) => Number(id))
  assert.deepEqual(
    ids,
    ids.toSorted((a, b) => a - b),
  )
  const member = await json('audit', '--action', 'member', '--owner', 'guild', '--since', '1h')
  assert.deepEqual(
    member.map(({ action }) => action),
    ['member.add', 'member.add', 'member.remove'],
  )
  assert.deepEqual(await json('audit', '--until', '2026-01-01'), [])
  assert.deepEqual(await json('audit', '--actor', 'nobody'), [])
  assert.match(
    await ok('audit', '--repository', 'olive/one'),
    /^TIME\tACTOR\tACTION\tTARGET\tDETAILS\n\S+\tthe operator\trepository.create\tOlive\/one\t/,
  )
  await wrong(2, /--since soon is no day/, 'audit', '--since', 'soon')
})

test('a long audit is printed as it is read', async () => {
  const { id } = await makeAccount(api.db, 'busy')
  const rows = Array.from({ length: 1234 }, (_, i) => ({
    action: 'token.create',
    actor: 'busy',
    actor_id: id,
    owner_id: id,
    target: `t${i}`,
  }))
  await api.db.queries.insertInto('audit').values(rows).execute()
  const targets = (await json('audit', '--actor', 'busy')).map(({ target }) => target)
  assert.deepEqual(
    targets,
    rows.map(({ target }) => target),
  )
})
