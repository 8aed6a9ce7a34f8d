// Rules of refs with real git and by hand: who may push, force and delete, in one transaction with the move; rules that come while a push is under way;
// by GitHub's own client for one branch.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, describe, it } from 'node:test'
import type { Octokit } from 'octokit'
import { findAccount, findRepository, issueToken, operator, setCollaborator } from '../../src/access/index.ts'
import { makeLog, systemRandomness } from '../../src/base/index.ts'
import { Database } from '../../src/db/index.ts'
import type { TestAccount } from '../support/accounts.ts'
import { refusal } from '../support/api-git.ts'
import { octokitOf } from '../support/octokit.ts'
import { databaseUrl } from '../support/database.ts'
import { Forks } from '../support/forks.ts'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { PackBuilder } from '../support/pack-builder.ts'
import { advertisedRefs, push, pushBody, readReport, zeroId } from '../support/wire.ts'

let host: Host
let git: Git
let work: string
let forks: Forks
let db: Database
const people: Record<string, TestAccount> = {}
const emptyPack = new PackBuilder().build()

before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('protected-refs')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 6)
  await git.run(['checkout', '-q', '-b', 'other', 'main~3'], { cwd: work })
  await git.commit(work, { 'other.txt': 'another way\n' })
  await git.run(['tag', '-a', '-m', 'note', 'annotated', 'main~2'], { cwd: work })
  forks = Forks.open(host.server)
  db = new Database({ url: databaseUrl(host.server), poolSize: 2, log: makeLog('silent') })
  for (const login of ['olive', 'reader', 'writer', 'listed', 'maintainer']) people[login] = await forks.account(login)
})
after(async () => {
  await forks?.close()
  await db?.close()
  await host?.close()
})

const id = (name: string) => git.read(['rev-parse', name], { cwd: work })
const person = (login: string) => people[login] as TestAccount
const rulesPath = (name: string, owner = 'admin') => `/api/v3/repos/${owner}/${name}/ref-rules`

/** A repository of the administrator's that holds main, other and a tag; its URL. */
async function create(name: string, ...rules: readonly Readonly<Record<string, unknown>>[]): Promise<string> {
  const url = await host.create(name)
  await git.run(['push', '-q', url, 'main', 'other', 'annotated', 'main:refs/custom/x'], { cwd: work })
  for (const rule of rules) await addRule(name, rule)
  return url
}

async function addRule(name: string, rule: Readonly<Record<string, unknown>>, owner = 'admin'): Promise<number> {
  const { status, body } = await host.server.api('POST', rulesPath(name, owner), rule)
  assert.equal(status, 201, JSON.stringify(body))
  return body.id
}

async function pushes(url: string, refspecs: readonly string[], words: readonly RegExp[], isDone = false): Promise<string> {
  const { code, stderr } = await git.run(['push', url, ...refspecs], { cwd: work, mayFail: true })
  assert.equal(code === 0, isDone, stderr)
  for (const word of words) assert.match(stderr, word)
  return stderr
}

describe('rules of refs', stemmaOnly, () => {
  it('by default let refs be made and go forward, and nothing else; git is told why and what to do', async () => {
    const url = await create('plain', { pattern: 'main' }, { pattern: 'release/**' }, { pattern: 'refs/tags/*' })
    await git.run(['branch', '-f', 'merged', 'main'], { cwd: work })
    await git.run(['push', '-q', url, 'main~2:refs/heads/release/1/x'], { cwd: work })
    await pushes(url, ['main:refs/heads/release/1/x', '+main:other'], [], true)
    await pushes(
      url,
      ['+main~1:main'],
      [
        /remote: error: refs\/heads\/main is protected by the rule refs\/heads\/main: nobody may force-push to it; merge or rebase/,
        /! \[remote rejected\] main~1 -> main \(protected branch hook declined\)/,
      ],
    )
    await pushes(
      url,
      ['+other:refs/heads/release/1/x', '+main:refs/tags/annotated'],
      [/release\/1\/x \(protected branch hook declined\)/, /annotated \(protected tag hook declined\)/],
    )
    await pushes(
      url,
      [':refs/heads/release/1/x', ':annotated'],
      [/nobody may delete it; ask an administrator/, /annotated \(protected tag/],
    )
    const refs = await advertisedRefs(url)
    assert.deepEqual([refs.get('refs/heads/release/1/x'), refs.get('refs/heads/main')], [await id('main'), await id('main')])
  })

  it('name the case and the parts of refs that they mean', async () => {
    const url = await create(
      'names',
      { pattern: 'Release/*', push: { role: null, deploy: false } },
      { pattern: '**/locked', push: { role: null } },
    )
    await pushes(url, ['main:refs/heads/release/1', 'main:refs/heads/Release/1/2', 'main:refs/heads/unlocked'], [], true)
    await pushes(
      url,
      ['main:refs/heads/Release/1', 'main:refs/heads/a/b/locked', 'main:refs/heads/fine'],
      [/Release\/1 \(protected branch/, /a\/b\/locked \(protected branch/, /\[new branch\] +main -> fine/],
    )
  })

  it('refuse an atomic push whole', async () => {
    const url = await create('atomic', { pattern: 'main' })
    const said = await pushes(url, ['--atomic', '+main~1:main', 'main:refs/heads/new', '+main:other'], [/nobody may force-push to it/])
    assert.match(said, /new \(atomic transaction failed\)/)
    assert.equal((await advertisedRefs(url)).has('refs/heads/new'), false)
  })

  it('hold for hidden refs, which stay hidden, and don’t tell of refs that aren’t there', async () => {
    const url = await create('hidden', { pattern: 'refs/custom/*', push: { role: null, deploy: false } })
    await host.configure('hidden', { 'transfer.hideRefs': 'refs/custom' })
    await pushes(url, ['+other:refs/custom/x'], [/deny updating a hidden ref/])
    await host.configure('hidden', { 'transfer.hideRefs': null })
    await pushes(url, ['+other:refs/custom/x'], [/protected ref hook declined/])
    const gone = await push(url, [{ old: await id('main'), new: zeroId, ref: 'refs/custom/none' }], Buffer.alloc(0))
    assert.equal(gone.refs.get('refs/custom/none'), 'reference does not exist')
  })

  it('are asked as they are when refs move: one that came while a push was under way counts', async () => {
    const url = await create('race')
    const slow = async (old: string, value: string, meanwhile: () => Promise<unknown>) => {
      const body = pushBody([{ old, new: value, ref: 'refs/heads/main' }], emptyPack, 'report-status side-band-64k')
      const { origin, pathname, username, password } = new URL(url)
      const headers = { 'content-type': 'application/x-git-receive-pack-request' }
      const out = request(`${origin}${pathname}/git-receive-pack`, { method: 'POST', auth: `${username}:${password}`, headers })
      const parts: Buffer[] = []
      const ended = new Promise((resolve, reject) => {
        out.on('error', reject)
        out.on('response', (answer) => answer.on('data', (part: Buffer) => parts.push(part)).on('end', resolve))
      })
      await new Promise((resolve) => out.write(body.subarray(0, -emptyPack.length), resolve))
      await meanwhile()
      out.end(emptyPack)
      await ended
      return readReport({ status: 200, headers: {}, body: Buffer.concat(parts) }, true)
    }
    const [first, second, main] = [await id('main~2'), await id('main~1'), await id('main')]
    await push(url, [{ old: main, new: first, ref: 'refs/heads/main' }], emptyPack)
    let rule = 0
    const forced = await slow(first, await id('other'), async () => (rule = await addRule('race', { pattern: 'main' })))
    assert.equal(forced.refs.get('refs/heads/main'), 'protected branch hook declined')
    assert.match(forced.text, /came to be protected by the rule refs\/heads\/main meanwhile; push again/)
    const locked = await slow(first, second, () =>
      host.server.api('PATCH', `${rulesPath('race')}/${rule}`, { push: { role: null, deploy: false } }),
    )
    assert.equal(locked.refs.get('refs/heads/main'), 'protected branch hook declined')
    const freed = await slow(first, second, () => host.server.api('DELETE', `${rulesPath('race')}/${rule}`))
    assert.equal(freed.refs.get('refs/heads/main'), 'ok')
  })

  it('say for each role, account and credential what it may do', async () => {
    const made = await host.server.api('POST', '/api/v3/user/repos', { name: 'roles', visibility: 'private' }, person('olive').token)
    assert.equal(made.status, 201)
    const repository = await findRepository(db.queries, 'olive', 'roles')
    assert.ok(repository)
    for (const [login, role] of [
      ['reader', 'read'],
      ['writer', 'write'],
      ['listed', 'write'],
      ['maintainer', 'admin'],
    ] as const) {
      const account = await findAccount(db.queries, login)
      assert.ok(account)
      await setCollaborator(db, repository, account, role, operator)
    }
    const bearer = { kind: 'repository', repositoryId: repository.id, ownerId: repository.ownerId, fullName: 'olive/roles' } as const
    const grant = { scopes: ['repository:write'], ownerIds: null, repositoryIds: null } as const
    const wanted = { kind: 'deploy', bearer, name: 'd', grant, expiresAt: null, actor: operator } as const
    const { secret } = await db.transaction((tx) => issueToken(tx, wanted, systemRandomness))
    const tokens: Readonly<Record<string, string>> = {
      reader: person('reader').token,
      writer: person('writer').token,
      listed: person('listed').token,
      deploy: secret,
      maintainer: person('maintainer').token,
      olive: person('olive').token,
      admin: host.server.token,
    }
    const urlOf = (caller: string) => `${host.server.url.replace('//', `//x:${tokens[caller]}@`)}/olive/roles.git`
    const all = { role: 'write', deploy: true }
    const admins = { role: 'admin', deploy: false }
    const nobody = { role: null, deploy: false }
    const rules = {
      open: { push: all, force: all, delete: all },
      admins: { push: all, force: admins, delete: admins },
      listed: { push: { ...nobody, users: ['Listed'] }, force: nobody, delete: { ...nobody, users: ['listed'] } },
      deploys: { push: { role: null, deploy: true }, force: { role: null, deploy: true }, delete: nobody },
      locked: { push: nobody, force: nobody, delete: nobody },
      lenient: { push: nobody, force: nobody, delete: nobody, enforce_admins: false },
    }
    // p: makes and moves it forward, f: forces, d: deletes
    const may: Readonly<Record<keyof typeof rules, Readonly<Record<string, string>>>> = {
      open: { reader: '', writer: 'pfd', listed: 'pfd', deploy: 'pfd', maintainer: 'pfd', olive: 'pfd', admin: 'pfd' },
      admins: { reader: '', writer: 'p', listed: 'p', deploy: 'p', maintainer: 'pfd', olive: 'pfd', admin: 'pfd' },
      listed: { reader: '', writer: '', listed: 'pd', deploy: '', maintainer: '', olive: '', admin: '' },
      deploys: { reader: '', writer: '', listed: '', deploy: 'pf', maintainer: '', olive: '', admin: '' },
      locked: { reader: '', writer: '', listed: '', deploy: '', maintainer: '', olive: '', admin: '' },
      lenient: { reader: '', writer: '', listed: '', deploy: '', maintainer: 'pfd', olive: 'pfd', admin: 'pfd' },
    }
    const ids = { old: await id('main~2'), next: await id('main'), aside: await id('other') }
    await git.run(['push', '-q', urlOf('olive'), 'main', 'other', ...Object.keys(rules).map((name) => `main~2:refs/heads/${name}/there`)], {
      cwd: work,
    })
    for (const [name, rule] of Object.entries(rules)) await addRule('roles', { pattern: `${name}/*`, ...rule }, 'olive')
    const attempt = async (caller: string, ref: string, old: string, value: string) => {
      const { refs } = await push(urlOf(caller), [{ old, new: value, ref }], value === zeroId ? Buffer.alloc(0) : emptyPack)
      return refs.get(ref) === 'ok'
    }
    for (const [name, expected] of Object.entries(may)) {
      for (const [caller, acts] of Object.entries(expected)) {
        const there = `refs/heads/${name}/there`
        const done = {
          made: await attempt(caller, `refs/heads/${name}/by-${caller}`, zeroId, ids.old),
          moved: await attempt(caller, there, ids.old, ids.next),
          forced: await attempt(caller, there, acts.includes('p') ? ids.next : ids.old, ids.aside),
          deleted: await attempt(caller, there, acts.includes('f') ? ids.aside : acts.includes('p') ? ids.next : ids.old, zeroId),
        }
        const wantedNow = { made: acts.includes('p'), moved: acts.includes('p'), forced: acts.includes('f'), deleted: acts.includes('d') }
        assert.deepEqual(done, wantedNow, `${caller} on ${name}`)
        const refs = await advertisedRefs(urlOf('olive'))
        await db.queries
          .insertInto('ref')
          .values({ repository_id: repository.id, name: there, oid: Buffer.from(ids.old, 'hex') })
          .onConflict((conflict) => conflict.columns(['repository_id', 'name']).doUpdateSet({ oid: Buffer.from(ids.old, 'hex') }))
          .execute()
        await db.queries
          .updateTable('repository')
          .set((set) => ({ refs_version: set('refs_version', '+', 1) }))
          .where('id', '=', repository.id)
          .execute()
        assert.equal(refs.has(there), !wantedNow.deleted)
      }
    }
  })

  it('are listed, changed and removed, each time with a line in the audit and the outbox', async () => {
    await create('lines')
    const rule = await addRule('lines', { pattern: 'v*', force: { users: ['writer', 'Writer'] } })
    const path = rulesPath('lines')
    const { body: list } = await host.server.api('GET', path)
    assert.deepEqual(list, [
      {
        id: rule,
        url: `${host.server.url}${path}/${rule}`,
        pattern: 'refs/heads/v*',
        push: { role: 'write', users: [], deploy: true },
        force: { role: null, users: ['writer'], deploy: false },
        delete: { role: null, users: [], deploy: false },
        enforce_admins: true,
      },
    ])
    const changed = await host.server.api('PATCH', `${path}/${rule}`, {
      pattern: 'refs/tags/v*',
      enforce_admins: false,
      delete: { role: 'admin' },
    })
    assert.deepEqual([changed.status, changed.body.pattern, changed.body.enforce_admins], [200, 'refs/tags/v*', false])
    assert.deepEqual([changed.body.force.users, changed.body.delete.role], [['writer'], 'admin'])
    assert.equal((await host.server.api('DELETE', `${path}/${rule}`)).status, 204)
    assert.equal((await host.server.api('DELETE', `${path}/${rule}`)).status, 404)
    assert.equal((await host.server.api('GET', `${path}/${rule}`)).status, 404)
    const { id: repositoryId } = (await findRepository(db.queries, 'admin', 'lines')) ?? assert.fail('no repository')
    const ofRules = <T extends { readonly what: string }>(rows: readonly T[]) =>
      rows.map(({ what }) => what).filter((what) => what.startsWith('ref-rule'))
    const audited = db.queries.selectFrom('audit').select('action as what').where('repository_id', '=', repositoryId).orderBy('id')
    const told = db.queries.selectFrom('outbox').select('kind as what').where('repository_id', '=', repositoryId).orderBy('id')
    const each = ['ref-rule.create', 'ref-rule.change', 'ref-rule.delete']
    assert.deepEqual([ofRules(await audited.execute()), ofRules(await told.execute())], [each, each])
  })

  it('that name a role or users allow nobody else; what they say nothing of has its default', async () => {
    await create('named')
    const made = async (push: object) =>
      (await host.server.api('POST', rulesPath('named'), { pattern: `p${Math.random()}`, push })).body.push
    assert.deepEqual(await made({}), { role: 'write', users: [], deploy: true })
    assert.deepEqual(await made({ deploy: false }), { role: 'write', users: [], deploy: false })
    assert.deepEqual(await made({ role: 'admin' }), { role: 'admin', users: [], deploy: false })
    assert.deepEqual(await made({ users: ['writer'] }), { role: null, users: ['writer'], deploy: false })
    assert.deepEqual(await made({ users: ['writer'], deploy: true }), { role: null, users: ['writer'], deploy: true })
  })

  it('say what is wrong with a field: one that isn’t known, a word that isn’t allowed', async () => {
    await create('faults')
    const { body } = await host.server.api('POST', rulesPath('faults'), { patern: 'x', push: { role: 'owner' } })
    assert.deepEqual(
      body.errors.map(({ message }: { message: string }) => message),
      ['pattern is required', 'patern is not known here', 'push.role must be one of write, admin, or null'],
    )
  })

  it('of another repository are out of reach, and what can’t be is refused by its field', async () => {
    await create('mine', { pattern: 'main' })
    await create('theirs')
    const rule = (await host.server.api('GET', rulesPath('mine'))).body[0].id
    assert.equal((await host.server.api('GET', `${rulesPath('theirs')}/${rule}`)).status, 404)
    assert.equal((await host.server.api('PATCH', `${rulesPath('theirs')}/${rule}`, { pattern: 'x' })).status, 404)
    assert.equal((await host.server.api('DELETE', `${rulesPath('theirs')}/${rule}`)).status, 404)
    const refused = async (body: unknown) => {
      const answer = await host.server.api('POST', rulesPath('mine'), body)
      assert.equal(answer.status, 422, JSON.stringify(answer.body))
      return answer.body.errors[0].field
    }
    assert.equal(await refused({ pattern: 'a..b' }), 'pattern')
    assert.equal(await refused({ pattern: 'main' }), 'pattern')
    assert.equal(await refused({ pattern: 'x', push: { users: ['nobody-of-that-name'] } }), 'users')
    for (const body of [{}, { pattern: 5 }, { pattern: 'x', push: { role: 'read' } }, { pattern: 'x', more: 1 }]) await refused(body)
    for (const odd of ['0', 'x', '-1', '99999999999999999999'])
      assert.ok([404, 422].includes((await host.server.api('GET', `${rulesPath('mine')}/${odd}`)).status))
    for (let n = 1; n < 50; n++) await addRule('mine', { pattern: `x${n}` })
    assert.equal(await refused({ pattern: 'one-more' }), 'pattern')
  })
})

describe('protection of a branch in GitHub’s shape', stemmaOnly, () => {
  const at = (repo: string, branch = 'main') => ({ owner: 'admin', repo, branch })
  const none = { required_status_checks: null, required_pull_request_reviews: null, enforce_admins: null, restrictions: null }
  const rest = (): Octokit['rest'] => octokitOf(host.server.url, host.server.token).rest

  it('is put, shown, changed and taken away', async () => {
    const url = await create('github')
    await git.run(['push', '-q', url, 'main:refs/heads/a/b'], { cwd: work })
    assert.deepEqual(await refusal(rest().repos.getBranchProtection(at('github'))), { status: 404, message: 'Branch not protected' })
    assert.deepEqual(await refusal(rest().repos.getBranchProtection(at('github', 'none'))), { status: 404, message: 'Branch not found' })
    assert.equal((await rest().repos.getBranch(at('github'))).data.protected, false)
    await rest().repos.updateBranchProtection({ ...at('github'), ...none, enforce_admins: true })
    await pushes(url, ['+main~1:main'], [/nobody may force-push/])
    const { data } = await rest().repos.getBranchProtection(at('github'))
    assert.deepEqual([data.enforce_admins?.enabled, data.allow_force_pushes?.enabled, data.restrictions], [true, false, undefined])
    assert.equal((await rest().repos.getBranch(at('github'))).data.protected, true)
    assert.deepEqual(
      (await rest().repos.listBranches({ owner: 'admin', repo: 'github', protected: true })).data.map(({ name }) => name),
      ['main'],
    )
    const restrictions = { users: ['writer'], teams: [] }
    await rest().repos.updateBranchProtection({
      ...at('github', 'a/b'),
      ...none,
      restrictions,
      allow_force_pushes: true,
      allow_deletions: true,
    })
    const restricted = (await rest().repos.getBranchProtection(at('github', 'a/b'))).data
    assert.deepEqual([restricted.restrictions?.users?.map(({ login }) => login), restricted.allow_deletions?.enabled], [['writer'], true])
    await pushes(url, ['+other:a/b'], [], true) // enforce_admins is off there, and this is an administrator
    await rest().repos.updateBranchProtection({ ...at('github', 'a/b'), ...none, enforce_admins: true, lock_branch: true })
    await pushes(url, ['+main:a/b'], [/nobody may push to it/])
    assert.equal((await rest().repos.getBranchProtection(at('github', 'a/b'))).data.lock_branch?.enabled, true)
    await rest().repos.deleteBranchProtection(at('github'))
    await pushes(url, ['+main~1:main'], [/forced update/], true)
    assert.equal((await refusal(rest().repos.deleteBranchProtection(at('github')))).message, 'Branch not protected')
  })

  it('refuses what there isn’t, by its name', async () => {
    await create('lacking')
    const put = (more: Readonly<Record<string, unknown>>) =>
      host.server.api('PUT', '/api/v3/repos/admin/lacking/branches/main/protection', { ...none, ...more })
    for (const [field, value] of Object.entries({
      required_status_checks: { strict: true, contexts: [] },
      required_pull_request_reviews: { required_approving_review_count: 1 },
      required_linear_history: true,
      block_creations: true,
      required_conversation_resolution: true,
      allow_fork_syncing: true,
    })) {
      const { status, body } = await put({ [field]: value })
      assert.deepEqual([status, body.errors?.[0]?.field], [422, field])
    }
    assert.equal((await put({ restrictions: { users: [], teams: ['core'] } })).body.errors[0].field, 'restrictions.teams')
    assert.equal((await put({ restrictions: { users: ['nobody-of-that-name'], teams: [] } })).status, 422)
    assert.equal((await put({ enforce_admins: 'yes' })).status, 422)
    assert.equal((await put({ required_linear_history: false })).status, 200)
  })

  it('of a branch that only a pattern is about shows that rule, and leaves it alone', async () => {
    await create('pattern', { pattern: '**' }, { pattern: 'ma*' })
    const shown = await host.server.api('GET', '/api/v3/repos/admin/pattern/branches/main/protection')
    assert.equal(shown.body.rule.pattern, 'refs/heads/ma*')
    assert.equal((await refusal(rest().repos.deleteBranchProtection(at('pattern')))).message, 'Branch not protected')
  })
})
