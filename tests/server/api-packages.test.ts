// Packages over the API, in GitHub's shapes: images that were really pushed, asked for by GitHub's own client and by plain requests.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Octokit } from 'octokit'
import {
  type AccountId,
  createOrganization,
  createRepository,
  createToken,
  type Grant,
  issueToken,
  type Repository,
  type Role,
  setCollaborator,
  setMember,
  findAccount,
  type Account,
  operator,
} from '../../src/access/index.ts'
import { systemRandomness } from '../../src/base/index.ts'
import { makeAccount, type TestAccount } from '../support/accounts.ts'
import { openFaces, type TestFaces } from '../support/faces.ts'
import { ImagePush } from '../support/image-push.ts'
import { octokitOf } from '../support/octokit.ts'
import { layerTar } from '../support/layer-tar.ts'

let faces: TestFaces
let url: string
let olive: TestAccount
let sam: TestAccount
let mia: TestAccount
before(async () => {
  faces = await openFaces({ isWhole: true })
  url = await faces.listener.listen({ host: '127.0.0.1', port: 0 })
  ;[olive, sam, mia] = [await makeAccount(faces.db, 'olive'), await makeAccount(faces.db, 'sam'), await makeAccount(faces.db, 'mia')]
  await createOrganization(faces.db, { login: 'guild', firstAdmin: olive.id, actor: operator })
})
after(async () => await faces?.close())

const layer = (text: string) => ({ bytes: layerTar([{ name: 'a', content: text }]) })

async function push(name: string, ...tags: readonly string[]): Promise<string[]> {
  const digests: string[] = []
  for (const tag of tags) digests.push((await new ImagePush(url, olive.token, name).image([layer(`${name} ${tag}`)], { tag })).digest)
  return digests
}

async function ask(who: TestAccount | null, method: string, path: string, body?: object) {
  const headers = {
    ...(who === null ? {} : { authorization: `Bearer ${who.token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  const answer = await fetch(`${url}/api/v3${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const text = await answer.text()
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  return { status: answer.status, headers: answer.headers, body: (text === '' ? null : JSON.parse(text)) as any }
}

/** What GitHub's client got instead of an answer. */
async function statusOf(asking: Promise<unknown>): Promise<number> {
  return asking.then(
    () => 200,
    (error: { readonly status: number }) => error.status,
  )
}

const show = (name: string, visibility: string, owner = 'users/olive') =>
  ask(olive, 'PATCH', `/${owner}/packages/container/${encodeURIComponent(name)}`, { visibility })

describe('GitHub’s client', () => {
  let octokit: Octokit
  const type = { package_type: 'container' } as const
  before(() => {
    octokit = octokitOf(url, olive.token)
  })

  test('a user’s packages: listed, one by one, their versions, deleted', async () => {
    const [first, second] = await push('olive/tools/app', '1.0', '2.0')
    const named = { ...type, username: 'olive', package_name: 'tools/app' }
    const { data: list } = await octokit.rest.packages.listPackagesForUser({ ...type, username: 'olive' })
    assert.deepEqual(
      list.map(({ name, package_type: kind, visibility, version_count: count }) => [name, kind, visibility, count]),
      [['tools/app', 'container', 'private', 2]],
    )
    const { data: one } = await octokit.rest.packages.getPackageForUser(named)
    assert.deepEqual([one.name, one.owner?.login, one.repository], ['tools/app', 'olive', undefined])
    assert.equal(one.url, `${url}/api/v3/users/olive/packages/container/tools%2Fapp`)

    const { data: versions } = await octokit.rest.packages.getAllPackageVersionsForPackageOwnedByUser(named)
    assert.deepEqual(
      versions.map(({ name, metadata }) => [name, metadata?.container?.tags]),
      [
        [second, ['2.0']],
        [first, ['1.0']],
      ],
    )
    const version = { ...named, package_version_id: versions[1]?.id ?? 0 }
    assert.equal((await octokit.rest.packages.getPackageVersionForUser(version)).data.name, first)
    assert.equal((await octokit.rest.packages.deletePackageVersionForUser(version)).status, 204)
    assert.equal(await statusOf(octokit.rest.packages.getPackageVersionForUser(version)), 404)
    assert.equal((await octokit.rest.packages.getPackageForUser(named)).data.version_count, 1)
    assert.equal((await octokit.rest.packages.deletePackageForUser(named)).status, 204)
    assert.equal(await statusOf(octokit.rest.packages.getPackageForUser(named)), 404)
  })

  test('the caller’s own', async () => {
    await push('olive/mine', '1', '2')
    const named = { ...type, package_name: 'mine' }
    const { data: list } = await octokit.rest.packages.listPackagesForAuthenticatedUser(type)
    assert.deepEqual(
      list.map(({ name }) => name),
      ['mine'],
    )
    assert.equal((await octokit.rest.packages.getPackageForAuthenticatedUser(named)).data.name, 'mine')
    const { data: versions } = await octokit.rest.packages.getAllPackageVersionsForPackageOwnedByAuthenticatedUser(named)
    const version = { ...named, package_version_id: versions[0]?.id ?? 0 }
    assert.equal((await octokit.rest.packages.getPackageVersionForAuthenticatedUser(version)).data.id, version.package_version_id)
    assert.equal((await octokit.rest.packages.deletePackageVersionForAuthenticatedUser(version)).status, 204)
    assert.equal(await statusOf(octokitOf(url, sam.token).rest.packages.getPackageForAuthenticatedUser(named)), 404)
    assert.equal((await octokit.rest.packages.deletePackageForAuthenticatedUser(named)).status, 204)
    assert.equal(await statusOf(octokit.rest.packages.restorePackageForAuthenticatedUser(named)), 404)
  })

  test('an organization’s', async () => {
    await push('guild/base', 'latest')
    const named = { ...type, org: 'guild', package_name: 'base' }
    const { data: list } = await octokit.rest.packages.listPackagesForOrganization({ ...type, org: 'guild' })
    assert.deepEqual(
      list.map(({ name, owner }) => [name, owner?.type]),
      [['base', 'Organization']],
    )
    const { data: versions } = await octokit.rest.packages.getAllPackageVersionsForPackageOwnedByOrg(named)
    const version = { ...named, package_version_id: versions[0]?.id ?? 0 }
    assert.equal((await octokit.rest.packages.getPackageVersionForOrganization(version)).status, 200)
    assert.equal((await octokit.rest.packages.deletePackageVersionForOrg(version)).status, 204)
    assert.equal((await octokit.rest.packages.deletePackageForOrg(named)).status, 204)
    assert.equal(await statusOf(octokit.rest.packages.listPackagesForOrganization({ ...type, org: 'olive' })), 404)
  })

  test('of types that aren’t there nothing is listed, and lists come in pages', async () => {
    for (const name of ['p1', 'p2', 'p3']) await push(`guild/${name}`, '1')
    assert.deepEqual((await octokit.rest.packages.listPackagesForOrganization({ package_type: 'npm', org: 'guild' })).data, [])
    const all = await octokit.paginate(octokit.rest.packages.listPackagesForOrganization, { ...type, org: 'guild', per_page: 2 })
    assert.deepEqual(
      all.map(({ name }) => name),
      ['p1', 'p2', 'p3'],
    )
    assert.equal((await ask(olive, 'GET', '/orgs/guild/packages?package_type=deb')).status, 422)
    assert.deepEqual((await ask(olive, 'GET', '/orgs/guild/packages')).body.length, 3, 'of every type')
  })
})

describe('who sees which packages', () => {
  test('private and missing are told alike; public and internal are shown', async () => {
    await push('olive/secret', '1')
    await push('olive/open', '1')
    await push('olive/inside', '1')
    assert.equal((await show('open', 'public')).body.visibility, 'public')
    assert.equal((await show('inside', 'internal')).body.visibility, 'internal')
    const listed = async (who: TestAccount | null) =>
      (await ask(who, 'GET', '/users/olive/packages?package_type=container')).body.map(({ name }: { name: string }) => name)
    assert.deepEqual(
      [await listed(null), await listed(sam), await listed(olive)],
      [['open'], ['inside', 'open'], ['inside', 'open', 'secret']],
    )
    for (const path of ['', '/versions', '/versions/1']) {
      const [hidden, missing] = [
        await ask(sam, 'GET', `/users/olive/packages/container/secret${path}`),
        await ask(sam, 'GET', `/users/olive/packages/container/nothing${path}`),
      ]
      assert.deepEqual([hidden.status, hidden.body.message], [404, missing.body.message], path)
    }
    assert.equal((await ask(sam, 'DELETE', '/users/olive/packages/container/open')).status, 403)
    assert.equal((await ask(sam, 'PATCH', '/users/olive/packages/container/open', { visibility: 'private' })).status, 403)
    assert.equal((await ask(null, 'DELETE', '/users/olive/packages/container/open')).status, 401)
  })

  test('a linked repository is named to who may read it, and gives its people their roles', async () => {
    await push('olive/linked', '1')
    const repository = await createRepository(faces.db, { ownerId: olive.id, name: 'source', visibility: 'private' })
    const path = '/users/olive/packages/container/linked'
    const linked = await ask(olive, 'PATCH', path, { visibility: 'public', repository: 'source' })
    assert.deepEqual([linked.status, linked.body.repository.full_name], [200, 'olive/source'])
    assert.equal((await ask(sam, 'GET', path)).body.repository, undefined)
    const role = async (given: Role | null) =>
      setCollaborator(faces.db, repository, (await findAccount(faces.db.queries, 'sam')) as Account, given, operator)
    await role('read')
    assert.equal((await ask(sam, 'GET', path)).body.repository.name, 'source')
    await ask(olive, 'PATCH', path, { visibility: 'private' })
    assert.equal((await ask(sam, 'GET', path)).status, 200)
    assert.equal((await ask(sam, 'DELETE', path)).status, 403)
    await role('admin')
    assert.equal((await ask(sam, 'PATCH', path, { visibility: 'internal' })).status, 200)
    assert.equal((await ask(sam, 'PATCH', path, { repository: null })).status, 200)
    // which took away what he had it by
    assert.equal((await ask(sam, 'PATCH', path, { visibility: 'public' })).status, 403)
    assert.equal((await ask(olive, 'GET', path)).body.repository, undefined)
  })

  test('a package is linked to a repository of its owner’s alone, which the caller may read', async () => {
    await push('guild/tool', '1')
    const path = '/orgs/guild/packages/container/tool'
    await createRepository(faces.db, { ownerId: sam.id, name: 'sams', visibility: 'public' })
    for (const repository of ['sams', 'nothing', 'sam/sams', '../sam/sams', 'a\0b']) {
      const answer = await ask(olive, 'PATCH', path, { repository })
      assert.deepEqual([answer.status, answer.body.errors?.[0]?.field], [422, 'repository'], repository)
    }
    assert.equal((await ask(olive, 'PATCH', path, {})).status, 422)
    assert.equal((await ask(olive, 'PATCH', path, { visibility: 'secret' })).status, 422)
  })

  test('members of an organization stand to its packages as they are members', async () => {
    await push('guild/team', '1')
    const guild = (await findAccount(faces.db.queries, 'guild')) as Account
    const samAccount = (await findAccount(faces.db.queries, 'sam')) as Account
    await setMember(faces.db, guild, samAccount, 'read', operator)
    assert.equal((await ask(sam, 'GET', '/orgs/guild/packages/container/team')).status, 200)
    assert.equal((await ask(sam, 'DELETE', '/orgs/guild/packages/container/team/versions/1')).status, 403)
    await setMember(faces.db, guild, samAccount, null, operator)
    assert.equal((await ask(sam, 'GET', '/orgs/guild/packages/container/team')).status, 404)
  })
})

describe('what a credential shows of packages', () => {
  const names = ['bound', 'hidden', 'inside', 'open']
  let home: Repository
  let tokens = 0
  before(async () => {
    home = await createRepository(faces.db, { ownerId: mia.id, name: 'home', visibility: 'private' })
    for (const name of names) await new ImagePush(url, mia.token, `mia/${name}`).image([layer(name)], { tag: '1' })
    for (const [name, change] of [
      ['open', { visibility: 'public' }],
      ['inside', { visibility: 'internal' }],
      ['bound', { repository: 'home' }],
    ] as const)
      assert.equal((await ask(mia, 'PATCH', `/users/mia/packages/container/${name}`, change)).status, 200)
  })

  const granted = async (grant: Partial<Grant>): Promise<TestAccount> => {
    const whole = { scopes: [], ownerIds: null, repositoryIds: null, ...grant }
    return {
      ...mia,
      token: await createToken(faces.db, { account: 'mia', name: `t${tokens++}`, expiresAt: null, grant: whole }, systemRandomness),
    }
  }
  const deploy = async (scopes: Grant['scopes']): Promise<TestAccount> => {
    const bearer = { kind: 'repository', repositoryId: home.id, ownerId: mia.id, fullName: 'mia/home' } as const
    const grant = { scopes, ownerIds: null, repositoryIds: null }
    const wanted = { kind: 'deploy', bearer, name: `d${tokens++}`, grant, actor: operator, expiresAt: null } as const
    return { ...mia, token: (await faces.db.transaction((tx) => issueToken(tx, wanted, systemRandomness))).secret }
  }
  const named = ({ body }: { body: { name: string }[] }) => body.map(({ name }) => name)

  test('lists and single packages say the same, and count the scopes and bounds of a token', async () => {
    const scoped: Grant['scopes'] = ['package:read']
    for (const [who, seen] of [
      [mia, names],
      [await granted({ scopes: scoped }), names],
      [await granted({}), ['open']],
      [await granted({ scopes: ['repository:admin'] }), ['open']],
      [await granted({ scopes: scoped, repositoryIds: [home.id] }), ['bound', 'open']],
      [await granted({ scopes: scoped, ownerIds: [mia.id] }), names],
      [await granted({ scopes: scoped, ownerIds: [olive.id as AccountId] }), ['open']],
      [sam, ['inside', 'open']],
      [null, ['open']],
      [await deploy(scoped), ['bound', 'open']],
      [await deploy(['repository:read']), ['open']],
    ] as const) {
      assert.deepEqual(named(await ask(who, 'GET', '/users/mia/packages?package_type=container')), seen)
      for (const name of names) {
        for (const below of ['', '/versions']) {
          const { status } = await ask(who, 'GET', `/users/mia/packages/container/${name}${below}`)
          assert.equal(status, (seen as readonly string[]).includes(name) ? 200 : 404, name + below)
        }
      }
    }
  })

  test('of the caller’s own likewise; of a repository’s token and of nobody there is no own', async () => {
    const scoped = await granted({ scopes: ['package:read'] })
    const bound = await granted({ scopes: ['package:admin'], repositoryIds: [home.id] })
    for (const [who, seen] of [
      [scoped, names],
      [await granted({}), ['open']],
      [bound, ['bound', 'open']],
      [sam, []],
    ] as const) {
      assert.deepEqual(named(await ask(who, 'GET', '/user/packages?package_type=container')), seen)
      for (const name of names) {
        for (const below of ['', '/versions']) {
          const { status } = await ask(who, 'GET', `/user/packages/container/${name}${below}`)
          assert.equal(status, (seen as readonly string[]).includes(name) ? 200 : 404, name + below)
        }
      }
    }
    for (const path of ['/user/packages?package_type=container', '/user/packages/container/open']) {
      assert.equal((await ask(null, 'GET', path)).status, 401, path)
      assert.equal((await ask(await deploy(['package:read']), 'GET', path)).status, 403, path)
    }
    const versions = (await ask(mia, 'GET', '/user/packages/container/bound/versions')).body as { id: number }[]
    const version = `/user/packages/container/bound/versions/${versions[0]?.id}`
    assert.equal((await ask(scoped, 'DELETE', version)).status, 403)
    assert.equal((await ask(bound, 'DELETE', '/user/packages/container/hidden')).status, 404)
    assert.equal((await ask(bound, 'DELETE', '/user/packages/container/open')).status, 403)
    assert.equal((await ask(bound, 'DELETE', version)).status, 204)
  })
})

test('a version that an index names stays; what was done stands in the audit and in the outbox', async () => {
  const pushing = new ImagePush(url, olive.token, 'olive/many')
  const image = await pushing.image([layer('one')])
  const { digest: index } = await pushing.manifest(
    {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [{ ...image, platform: { os: 'linux', architecture: 'amd64' } }],
    } as never,
    'latest',
  )
  const path = '/users/olive/packages/container/many'
  const versions = (await ask(olive, 'GET', `${path}/versions`)).body as { id: number; name: string }[]
  const idOf = (digest: string) => versions.find(({ name }) => name === digest)?.id
  const refused = await ask(olive, 'DELETE', `${path}/versions/${idOf(image.digest)}`)
  assert.deepEqual([refused.status, /index/.test(refused.body.message)], [422, true])
  assert.equal((await ask(olive, 'DELETE', `${path}/versions/${idOf(index)}`)).status, 204)
  assert.equal((await ask(olive, 'DELETE', path)).status, 204)
  const audit = await faces.db.queries
    .selectFrom('audit')
    .select(['action', 'actor'])
    .where('target', '=', 'oci olive/many')
    .orderBy('id')
    .execute()
  assert.deepEqual(
    audit.map(({ action, actor }) => `${action} ${actor}`),
    ['package.create olive', 'package.delete-version olive', 'package.delete olive'],
  )
  const told = await faces.db.queries
    .selectFrom('outbox')
    .select(['kind', 'payload'])
    .where('kind', 'like', 'package.delete%')
    .orderBy('id')
    .execute()
  const ofMany = told.filter(({ payload }) => (payload as { name: string }).name === 'many')
  assert.deepEqual(
    ofMany.map(({ payload }) => (payload as { digest?: string }).digest),
    [index, undefined],
  )
})
