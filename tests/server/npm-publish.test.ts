// Publishing over npm's protocol: what comes of it, tags, deprecation, unpublishing, provenance, whose names are whose.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type AccountId, type Identity, operator, setQuota } from '../../src/access/index.ts'
import { type NpmName, parseName } from '../../src/npm/format/names.ts'
import { assertNotAlike } from '../../src/npm/publish/alike.ts'
import { digestOf } from '../../src/store/index.ts'
import { npmDocument } from '../support/npm-documents.ts'
import { TestNpm } from '../support/npm-registry.ts'
import { noise } from '../support/seeded.ts'
import { TestSigstore } from '../support/sigstore.ts'
import { until } from '../support/until.ts'

let npm: TestNpm
before(async () => {
  npm = await TestNpm.open()
})
after(async () => await npm?.close())

const versionsOf = (name: string) =>
  npm.rows<{ version: string }>(
    `select v.version from package_version v join package p on p.id = v.package_id where p.name = '${name}' order by v.id`,
  )
const told = (name: string) =>
  npm.rows<{ kind: string; payload: Record<string, unknown> }>(
    `select kind, payload from outbox where payload->>'name' = '${name}' order by id`,
  )
const tagsOf = async (name: string) =>
  (await npm.ask('GET', `olive/-/package/${name.replace('/', '%2f')}/dist-tags`)).json as Record<string, string>

describe('a publish', () => {
  test('is a version with its file, its facts, tags, and what is told of it', async () => {
    const gitHead = 'ab'.repeat(20)
    const one = await npm.publish({
      name: '@olive/widget',
      version: '1.0.0',
      more: { scripts: { install: 'node x' }, gitHead },
      files: { 'index.js': 'module.exports = 1\n' },
      readme: '# Widget',
    })
    assert.deepEqual([one.status, one.json], [201, { ok: true, success: true, id: '@olive/widget@1.0.0' }])
    assert.equal((await npm.publish({ name: '@olive/widget', version: '1.1.0-rc.1', tag: 'next' })).status, 201)
    const [file] = await npm.rows<Record<string, unknown>>(`
      select f.name, f.size_bytes, n.file_count, n.has_install_script, n.git_head, n.manifest, v.version_key, v.published_by, q.readme, q.revision
      from package p join package_version v on v.package_id = p.id join package_file f on f.version_id = v.id join npm_version n on n.version_id = v.id
      join npm_package q on q.package_id = p.id where p.name = '@olive/widget' and v.version = '1.0.0'`)
    assert.ok(file)
    const { manifest, ...facts } = file
    assert.deepEqual(facts, {
      name: 'widget-1.0.0.tgz',
      size_bytes: one.tarball.length,
      file_count: 2,
      has_install_script: true,
      git_head: gitHead,
      version_key: '1.0.0',
      published_by: 'olive',
      readme: '# Widget',
      revision: 2,
    })
    const kept = JSON.parse(String(manifest)) as Record<string, unknown>
    assert.deepEqual([kept['scripts'], kept['dist'], kept['readme']], [{ install: 'node x' }, undefined, undefined])
    assert.deepEqual(await tagsOf('@olive/widget'), { latest: '1.0.0', next: '1.1.0-rc.1' })
    const events = await told('@olive/widget')
    assert.deepEqual(
      events.map(({ kind, payload }) => [kind, payload['version'], payload['tag']]),
      [
        ['package.created', undefined, undefined],
        ['package.published', '1.0.0', 'latest'],
        ['package.published', '1.1.0-rc.1', 'next'],
      ],
    )
  })

  test('of a tarball that is large comes into the store as it came', async () => {
    const { status, tarball } = await npm.publish({ name: 'large', version: '1.0.0', files: { 'noise.bin': noise(3, 5_000_000) } })
    assert.equal(status, 201)
    const [row] = await npm.rows<{ content: Uint8Array }>(`select content from package_file where name = 'large-1.0.0.tgz'`)
    const content = await npm.faces.store.get(digestOf(row?.content ?? new Uint8Array()))
    const pieces: Uint8Array[] = []
    for await (const piece of content?.bytes ?? []) pieces.push(piece)
    assert.ok(Buffer.concat(pieces).equals(tarball))
  })

  test('of a large document: few are read at one time, and all of them in the end', async () => {
    const readme = 'r'.repeat(400_000)
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) => npm.publish({ name: `documented-${n}`, version: '1.0.0', readme })),
    )
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]))
  })

  test('whose first version is not the latest makes it the latest all the same', async () => {
    await npm.publish({ name: 'beta-first', version: '0.1.0', tag: 'beta' })
    assert.deepEqual(await tagsOf('beta-first'), { beta: '0.1.0', latest: '0.1.0' })
    await npm.publish({ name: 'beta-first', version: '0.2.0', tag: 'beta' })
    assert.deepEqual(await tagsOf('beta-first'), { beta: '0.2.0', latest: '0.1.0' })
  })

  test('links the package to the repository that it names, where the publisher may', async () => {
    const made = await fetch(`${npm.url}/api/v3/user/repos`, {
      method: 'POST',
      headers: { authorization: `Bearer ${npm.olive.token}`, 'content-type': 'application/json' },
      body: '{"name":"home"}',
    })
    assert.equal(made.status, 201, await made.text())
    await npm.publish({ name: 'linked', version: '1.0.0', more: { repository: { type: 'git', url: `git+${npm.url}/olive/home.git` } } })
    const linked = async () =>
      (
        await npm.rows(
          `select r.name from package p join repository r on r.id = p.repository_id where p.name = 'linked' and r.name = 'home'`,
        )
      ).length === 1
    await until('the link', linked)
  })

  test('is refused over a version that is there, in whatever spelling', async () => {
    await npm.publish({ name: 'fixed', version: '1.0.0-RC.1' })
    const again = await npm.publish({ name: 'fixed', version: '1.0.0-RC.1', more: { description: 'another' } })
    assert.deepEqual([again.status, again.error], [403, 'You cannot publish over the previously published versions: 1.0.0-RC.1.'])
    for (const version of ['1.0.0-rc.1', '1.0.0-RC.1+build.2'])
      assert.equal((await npm.publish({ name: 'fixed', version })).status, 403, version)
    assert.equal((await npm.publish({ name: 'fixed', version: '1.0.0-rc.2+build' })).status, 201)
    assert.deepEqual(
      (await versionsOf('fixed')).map(({ version }) => version),
      ['1.0.0-RC.1', '1.0.0-rc.2+build'],
    )
  })

  test('of one version by two at once: exactly one wins', async () => {
    for (const [n, name] of ['race-new', 'race-old', 'race-old', 'race-old'].entries()) {
      if (n === 1) await npm.publish({ name, version: '0.0.1' })
      const version = `1.0.${n}`
      const answers = await Promise.all([1, 2, 3].map((by) => npm.publish({ name, version, files: { 'by.js': `${by}${n}` } })))
      assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 403, 403])
      const won = answers.find(({ status }) => status === 201)
      const [row] = await npm.rows<{ sha512: Uint8Array }>(
        `select f.sha512 from package_file f join package p on p.id = f.package_id where p.name = '${name}' and f.name = '${name}-${version}.tgz'`,
      )
      assert.ok(won)
      const said = (won.document['versions'] as Record<string, { dist: { integrity: string } }>)[version]
      assert.equal(said?.dist.integrity, `sha512-${Buffer.from(row?.sha512 ?? []).toString('base64')}`)
    }
  })

  test('needs the role write, and a package that may be seen', async () => {
    await npm.publish({ name: 'private', version: '1.0.0' })
    assert.equal((await npm.publish({ name: 'private', version: '1.0.1' }, { as: npm.sam })).status, 404)
    assert.equal((await npm.publish({ name: 'other', version: '1.0.0' }, { as: npm.sam })).status, 404)
    assert.equal((await npm.publish({ name: 'private', version: '1.0.1' }, { as: null })).status, 401)
    await npm.rows(`update package set visibility = 'public' where name = 'private'`)
    assert.equal((await npm.publish({ name: 'private', version: '1.0.1' }, { as: npm.sam })).status, 403)
    assert.deepEqual(
      (await versionsOf('private')).map(({ version }) => version),
      ['1.0.0'],
    )
  })

  test('under a scope of the root registry is its account’s', async () => {
    const body = npmDocument({ name: '@olive/rooted', version: '1.0.0' }).body
    assert.equal((await npm.ask('PUT', '@olive%2frooted', { body })).status, 201)
    assert.equal((await npm.ask('PUT', '@olive/rooted', { body })).status, 403)
    assert.equal((await npm.ask('PUT', 'unscoped', { body: npmDocument({ name: 'unscoped', version: '1.0.0' }).body })).status, 404)
  })

  test('of a name without a scope is the root’s owner’s, where there is one', async () => {
    const rooted = await TestNpm.open({ environment: { STEMMA_NPM_ROOT: 'olive' } })
    try {
      const body = npmDocument({ name: 'unscoped', version: '1.0.0' }).body
      assert.equal((await rooted.ask('PUT', 'unscoped', { body })).status, 201)
      assert.equal((await rooted.ask('PUT', 'unscoped', { body, as: rooted.sam })).status, 404)
      assert.equal((await rooted.ask('GET', 'olive/unscoped')).status, 200)
    } finally {
      await rooted.close()
    }
  })

  test('is charged to a quota', async () => {
    const { db } = npm.faces
    await setQuota(db, npm.sam, 3000, operator)
    const publish = (name: string, sizeBytes: number) =>
      npm.ask('PUT', `sam/${name}`, {
        as: npm.sam,
        body: npmDocument({ name, version: '1.0.0', files: { x: noise(sizeBytes, sizeBytes) } }).body,
      })
    assert.equal((await publish('fits', 1500)).status, 201)
    for (const sizeBytes of [2000, 100_000]) {
      const { status, error } = await publish('does-not', sizeBytes)
      assert.deepEqual([status, /quota is exceeded/.test(error ?? '')], [403, true])
    }
    assert.deepEqual(await npm.rows(`select name from package where name = 'does-not'`), [])
    await setQuota(db, npm.sam, 'server', operator)
  })
})

describe('names', () => {
  test('are those that npm takes', async () => {
    for (const name of [
      'Widget',
      'latest',
      '.hidden',
      '_private',
      'a b',
      'node_modules',
      'http',
      '-x',
      `${'n'.repeat(215)}`,
      'ünïcode',
      '1.0.0',
    ]) {
      const { status } = await npm.ask('PUT', `olive/${encodeURIComponent(name)}`, { body: npmDocument({ name, version: '1.0.0' }).body })
      assert.ok(status === 400 || status === 404 || status === 405, `${name}: ${status}`)
    }
    assert.deepEqual(await npm.rows(`select name from package where name in ('Widget', 'http', 'ünïcode')`), [])
  })

  test('that are alike are refused to whoever may not write to the other', async () => {
    const { db } = npm.faces
    await npm.rows(`insert into account (login, kind) values ('acme', 'organization')`)
    const [{ id } = { id: 0 }] = await npm.rows<{ id: number }>(`select id from account where login = 'acme'`)
    await npm.rows(
      `insert into membership (organization_id, account_id, role) values (${id}, ${npm.olive.id}, 'write') on conflict do nothing`,
    )
    const put = (name: string) => npm.ask('PUT', `acme/${name}`, { body: npmDocument({ name, version: '1.0.0' }).body })
    assert.equal((await put('left-pad')).status, 201)
    assert.equal((await put('leftpad')).status, 201, 'a member with write may')
    // a job of another repository may make packages of its owner's, and has no role in this one
    const stranger = { kind: 'repository', repositoryId: 0, ownerId: id, name: 'job', grant: null, tokenId: 0 } as unknown as Identity
    const attempt = (text: string) =>
      assertNotAlike(db.queries, { ownerId: id as AccountId }, parseName(text) as NpmName, stranger).then(
        () => 'taken',
        (error: { code?: string }) => error.code,
      )
    assert.equal(await attempt('left_pad'), 'not-found', 'he is not told of what he may not see')
    await npm.rows(`update package set visibility = 'public' where name = 'left-pad'`)
    await npm.rows(`delete from package where name = 'leftpad'`)
    for (const [text, wanted] of [
      ['left_pad', 'name-alike'],
      ['LEFT.PAD', 'name-alike'],
      ['leftpad', 'name-alike'],
      ['left-pads', 'taken'],
      ['@x/left-pad', 'taken'],
    ] as const) {
      assert.equal(await attempt(text), wanted, text)
    }
  })
})

describe('what is written back', () => {
  test('deprecates, and takes that back', async () => {
    for (const version of ['1.0.0', '1.1.0']) await npm.publish({ name: 'old', version })
    const { json } = await npm.toWrite('old')
    json.versions['1.0.0'].deprecated = 'use 1.1'
    assert.equal((await npm.ask('PUT', 'olive/old', { body: json })).status, 200)
    const deprecated = () =>
      npm.rows(
        `select v.version, n.deprecated from npm_version n join package_version v on v.id = n.version_id join package p on p.id = n.package_id where p.name = 'old' order by v.id`,
      )
    assert.deepEqual(await deprecated(), [
      { version: '1.0.0', deprecated: 'use 1.1' },
      { version: '1.1.0', deprecated: null },
    ])
    const stale = await npm.ask('PUT', 'olive/old', { body: json })
    assert.deepEqual([stale.status, /changed meanwhile/.test(stale.error ?? '')], [409, true])
    const now = (await npm.toWrite('old')).json
    assert.equal(now.versions['1.0.0'].deprecated, 'use 1.1')
    now.versions['1.0.0'].deprecated = ''
    assert.equal((await npm.ask('PUT', 'olive/old', { body: now })).status, 200)
    assert.deepEqual((await deprecated())[0], { version: '1.0.0', deprecated: null })
    const audited = await npm.rows<{ details: unknown }>(`select details from audit where action = 'package.deprecate' order by id`)
    assert.deepEqual(
      audited.map(({ details }) => details),
      [
        { versions: ['1.0.0'], message: 'use 1.1' },
        { versions: ['1.0.0'], message: null },
      ],
    )
    assert.equal((await npm.ask('PUT', 'olive/old', { as: npm.sam, body: now })).status, 404)
  })

  test('without a version, and with its revision, unpublishes it for ever', async () => {
    for (const [version, tag] of [
      ['1.0.0', 'latest'],
      ['1.1.0', 'latest'],
      ['2.0.0-rc.1', 'next'],
    ] as const)
      await npm.publish({ name: 'shrinking', version, tag, files: { v: version } })
    const { json } = await npm.toWrite('shrinking')
    const { _rev } = json
    const file = String(json.versions['1.1.0'].dist.tarball).replace(/^.*\/-\//, '')
    delete json.versions['1.1.0']
    delete json['dist-tags'].latest
    // without the revision in the path nothing goes
    assert.equal((await npm.ask('PUT', 'olive/shrinking', { body: { ...json, 'dist-tags': undefined } })).status, 200)
    assert.equal((await versionsOf('shrinking')).length, 3)
    assert.equal((await npm.ask('PUT', `olive/shrinking/-rev/${_rev}`, { body: json })).status, 200)
    assert.deepEqual(
      (await versionsOf('shrinking')).map(({ version }) => version),
      ['1.0.0', '2.0.0-rc.1'],
    )
    assert.deepEqual(await tagsOf('shrinking'), { latest: '1.0.0', next: '2.0.0-rc.1' })
    const again = await npm.toWrite('shrinking')
    assert.equal((await npm.ask('DELETE', `olive/shrinking/-/${file}/-rev/${again.json._rev}`)).status, 200)
    for (const version of ['1.1.0', '1.1.0+x']) {
      const { status, error } = await npm.publish({ name: 'shrinking', version })
      assert.deepEqual([status, /never comes again/.test(error ?? '')], [403, true])
    }
    const [hold] = await npm.rows<{ count: number }>(
      `select count(*)::int as count from content_reference r join package p on p.id::text = r.id where r.kind = 'package' and p.name = 'shrinking'`,
    )
    assert.equal(hold?.count, 2)
  })

  test('unpublishing takes more than publishing', async () => {
    const [{ id } = { id: 0 }] = await npm.rows<{ id: number }>(`select id from account where login = 'acme'`)
    await npm.rows(
      `insert into membership (organization_id, account_id, role) values (${id}, ${npm.sam.id}, 'write') on conflict do nothing`,
    )
    for (const version of ['1.0.0', '1.0.1']) await npm.ask('PUT', 'acme/shared', { body: npmDocument({ name: 'shared', version }).body })
    const { json } = await npm.ask('GET', 'acme/shared?write=true', { as: npm.sam })
    const less = { ...json, versions: { '1.0.1': json.versions['1.0.1'] } }
    assert.equal((await npm.ask('PUT', `acme/shared/-rev/${json._rev}`, { as: npm.sam, body: less })).status, 403)
    assert.equal((await npm.ask('DELETE', `acme/shared/-rev/${json._rev}`, { as: npm.sam })).status, 403)
    assert.equal((await npm.ask('DELETE', `acme/shared/-/shared-1.0.0.tgz/-rev/${json._rev}`, { as: npm.sam })).status, 403)
    assert.equal((await versionsOf('shared')).length, 2)
  })

  test('all of it goes, and its versions never come again', async () => {
    await npm.publish({ name: 'gone', version: '1.0.0' })
    const { json } = await npm.toWrite('gone')
    assert.equal((await npm.ask('DELETE', 'olive/gone/-rev/1-0')).status, 409)
    assert.equal((await npm.ask('DELETE', `olive/gone/-rev/${json._rev}`)).status, 200)
    assert.deepEqual(await npm.rows(`select name from package where name = 'gone'`), [])
    assert.equal((await npm.publish({ name: 'gone', version: '1.0.0' })).status, 403)
    assert.deepEqual(await npm.rows(`select name from package where name = 'gone'`), [], 'a refused publish makes no package')
    assert.equal((await npm.publish({ name: 'gone', version: '1.0.1' })).status, 201)
  })
})

describe('dist-tags', () => {
  test('are set, listed and taken away', async () => {
    for (const version of ['1.0.0', '2.0.0']) await npm.publish({ name: 'tagged', version })
    const tags = 'olive/-/package/tagged/dist-tags'
    assert.equal((await npm.ask('PUT', `${tags}/stable`, { body: '"1.0.0"' })).status, 201)
    assert.equal((await npm.ask('POST', tags, { body: { old: '1.0.0' } })).status, 201)
    assert.deepEqual(await tagsOf('tagged'), { latest: '2.0.0', old: '1.0.0', stable: '1.0.0' })
    assert.equal((await npm.ask('PUT', tags, { body: { next: '2.0.0' } })).status, 201)
    assert.deepEqual(await tagsOf('tagged'), { latest: '2.0.0', next: '2.0.0' })
    assert.equal((await npm.ask('DELETE', `${tags}/next`)).status, 200)
    assert.equal((await npm.ask('DELETE', `${tags}/next`)).status, 404)
    assert.equal((await npm.ask('DELETE', `${tags}/latest`)).status, 400)
    for (const [tag, body] of [
      ['1.x', '"1.0.0"'],
      ['%5E1', '"1.0.0"'],
      ['x', '"9.0.0"'],
      ['x', '7'],
      ['x', 'no json'],
    ] as const)
      assert.ok([400, 404].includes((await npm.ask('PUT', `${tags}/${tag}`, { body })).status), `${tag} ${body}`)
    assert.equal((await npm.ask('PUT', `${tags}/x`, { as: npm.sam, body: '"1.0.0"' })).status, 404)
    assert.deepEqual(await tagsOf('tagged'), { latest: '2.0.0' })
    const kinds = (await told('tagged')).map(({ kind, payload }) => `${kind} ${String(payload['tag'])}`)
    assert.ok(kinds.includes('package.tagged stable') && kinds.includes('package.untagged next'))
  })
})

describe('provenance', () => {
  const sigstore = new TestSigstore()

  test('is taken, looked at, and kept as it came', async () => {
    const plain = { name: '@olive/proven', version: '1.0.0' }
    const { tarball } = npmDocument(plain)
    const bundle = sigstore.provenance({ ...plain, tarball })
    assert.equal((await npm.publish({ ...plain, tarball, bundle })).status, 201)
    const kept = await npm.rows(
      `select a.predicate_type, a.bundle, a.verified, a.signer from npm_attestation a join package_version v on v.id = a.version_id join package p on p.id = v.package_id where p.name = '@olive/proven'`,
    )
    assert.deepEqual(kept, [{ predicate_type: 'https://slsa.dev/provenance/v1', bundle, verified: 'signature', signer: sigstore.workflow }])
  })

  test('of another tarball is refused, and the version with it', async () => {
    const plain = { name: 'forged', version: '1.0.0' }
    const bundle = sigstore.provenance({ ...plain, tarball: Buffer.from('another') })
    const { status, error } = await npm.publish({ ...plain, bundle })
    assert.deepEqual([status, /another tarball/.test(error ?? '')], [400, true])
    assert.deepEqual(await versionsOf('forged'), [])
  })
})
