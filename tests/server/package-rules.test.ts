// Retention and immutable tags by the API: set, shown, tried as a dry run, and what each says to whom.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { TestAccount } from '../support/accounts.ts'
import { imageOf, TestRegistry } from '../support/registry.ts'

let registry: TestRegistry
const ofPackage = (owner: string, name: string) => `/api/v3/users/${owner}/packages/container/${name}`

async function api(method: string, path: string, body?: unknown, as: TestAccount = registry.olive) {
  const answer = await registry.ask(method, path, {
    as,
    headers: { authorization: `Bearer ${as.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: answer.json }
}

/** Tags 1 to `count`, each of an image of its own. */
async function pushTags(name: string, count: number): Promise<void> {
  await registry.pushBlob(name, '{}')
  for (let n = 1; n <= count; n++) {
    await registry.pushBlob(name, `layer ${n}`)
    assert.equal((await registry.putManifest(name, String(n), imageOf('{}', [`layer ${n}`]))).status, 201)
  }
}

describe('rules of packages', () => {
  before(async () => {
    registry = await TestRegistry.open({ environment: { STEMMA_REGISTRY_LEASE_MS: '0' } })
  })
  after(() => registry?.close())

  it('a dry run tells what would go and why, and takes nothing; a policy that is set is applied from the next day on', async () => {
    await pushTags('olive/kept', 3)
    const url = `${ofPackage('olive', 'kept')}/retention`
    assert.equal((await api('GET', url)).status, 404)
    assert.equal((await api('POST', `${url}/dry-run`, {})).status, 404, 'there is no policy to try')
    const policy = { rules: [{ tags: '?', keep_newest: 2 }] }
    const { status, body } = await api('POST', `${url}/dry-run`, { policy })
    assert.equal(status, 200, JSON.stringify(body))
    assert.deepEqual([body.tag_count, body.manifest_count, body.freed_bytes], [1, 1, 'layer 1'.length])
    assert.deepEqual([body.tags[0].name, body.tags[0].goes, body.tags.length], ['1', true, 3])
    assert.match(body.tags[0].why, /not among the newest 2/)
    assert.match(body.manifests[0].digest, /^sha256:[0-9a-f]{64}$/)
    const set = await api('PUT', url, { ...policy, untagged_days: 7, referrers: 'stay' })
    assert.deepEqual(
      [set.status, set.body.of, set.body.rules, set.body.untagged_days, set.body.referrers],
      [200, 'package', [{ tags: '?', except: [], keep_newest: 2, keep_pushed_days: null, keep_pulled_days: null }], 7, 'stay'],
    )
    assert.ok(Date.parse(set.body.next_run_at) > Date.parse(set.body.updated_at) + 23 * 3600_000)
    assert.equal((await api('POST', `${url}/dry-run`, {})).body.tag_count, 1)
    assert.deepEqual((await registry.ask('GET', 'olive/kept/tags/list')).json.tags, ['1', '2', '3'])
    assert.equal((await api('DELETE', url)).status, 204)
    assert.equal((await api('DELETE', url)).status, 404)
  })

  it('an owner’s policy holds for packages that have none', async () => {
    await pushTags('olive/plain', 1)
    const owners = '/api/v3/users/olive/package-retention'
    const url = `${ofPackage('olive', 'plain')}/retention`
    assert.equal((await api('PUT', owners, { rules: [{ tags: '*', keep_pulled_days: 30 }] })).status, 200)
    assert.equal((await api('GET', url)).body.of, 'owner')
    assert.equal((await api('PUT', url, { rules: [] })).body.of, 'package')
    assert.equal((await api('GET', url)).body.of, 'package')
    assert.equal((await api('DELETE', owners)).status, 204)
  })

  it('what keeps nothing, and patterns that match no tag, are refused with a reason', async () => {
    await pushTags('olive/strict', 1)
    const url = ofPackage('olive', 'strict')
    for (const [path, body, says] of [
      ['retention', { rules: [{ tags: '*' }] }, /a rule needs a number/],
      ['retention', { rules: [{ tags: 'a/b', keep_newest: 1 }] }, /pattern of tags/],
      ['immutable-tags', { rules: [{ tags: 'ü' }] }, /pattern of tags/],
    ] as const) {
      const answer = await api('PUT', `${url}/${path}`, body)
      assert.equal(answer.status, 422)
      assert.match(JSON.stringify(answer.body), says)
    }
    assert.equal((await api('POST', `${url}/retention/dry-run`, { policy: { rules: [{ tags: '*' }] } })).status, 422)
  })

  it('immutable tags of a package and of its owner hold both', async () => {
    await pushTags('olive/fast', 2)
    const url = `${ofPackage('olive', 'fast')}/immutable-tags`
    assert.deepEqual((await api('GET', url)).body, { rules: [] })
    assert.deepEqual((await api('PUT', url, { rules: [{ tags: '1' }] })).body, { rules: [{ tags: '1', except: [] }] })
    const owners = '/api/v3/users/olive/package-immutable-tags'
    assert.equal((await api('PUT', owners, { rules: [{ tags: 'v*', except: ['v0'] }] })).status, 200)
    assert.deepEqual((await api('GET', owners)).body.rules, [{ tags: 'v*', except: ['v0'] }])
    const image = imageOf('{}', ['layer 2'])
    assert.equal((await registry.putManifest('olive/fast', '1', image)).status, 403)
    assert.equal((await registry.putManifest('olive/fast', 'v1', image)).status, 201)
    assert.equal((await registry.putManifest('olive/fast', 'v1', imageOf('{}', ['layer 1']))).status, 403)
    const dry = await api('POST', `${ofPackage('olive', 'fast')}/retention/dry-run`, { policy: { rules: [{ tags: '*', keep_newest: 0 }] } })
    assert.deepEqual(
      dry.body.tags.filter((tag: { goes: boolean }) => tag.goes).map((tag: { name: string }) => tag.name),
      ['2'],
    )
    for (const path of [url, owners]) assert.equal((await api('PUT', path, { rules: [] })).status, 200)
    assert.equal((await registry.putManifest('olive/fast', '1', image)).status, 201)
  })

  it('others see no rules of what is private, and change none', async () => {
    await pushTags('olive/own', 1)
    for (const path of ['retention', 'immutable-tags']) {
      assert.equal((await api('GET', `${ofPackage('olive', 'own')}/${path}`, undefined, registry.sam)).status, 404)
      assert.equal((await api('PUT', `${ofPackage('olive', 'own')}/${path}`, { rules: [] }, registry.sam)).status, 404)
    }
    assert.equal((await api('PUT', '/api/v3/users/olive/package-immutable-tags', { rules: [] }, registry.sam)).status, 403)
  })

  it('what was set stands in the audit', async () => {
    const { rows } = await registry.faces.db.queries
      .selectFrom('audit')
      .select(['action', 'target'])
      .where('action', 'in', ['package.retention', 'package.tag-rules'])
      .execute()
      .then((found) => ({ rows: found.map(({ action, target }) => `${action} ${target}`) }))
    for (const line of [
      'package.retention oci olive/kept',
      'package.retention olive',
      'package.tag-rules oci olive/fast',
      'package.tag-rules olive',
    ])
      assert.ok(rows.includes(line), line)
  })
})
