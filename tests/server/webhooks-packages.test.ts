// Webhooks of packages: to the linked repository's hooks and its owner's, or, of what is linked to none, the owner's alone.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { type Received, Receiver } from '../support/receiver.ts'
import { digestText, imageOf } from '../support/registry.ts'

describe('webhooks of packages', stemmaOnly, () => {
  let host: Host
  let receiver: Receiver
  before(async () => {
    receiver = await Receiver.open()
    host = await openHost('webhooks-packages', { STEMMA_OUTBOUND_ALLOW_PRIVATE: '127.0.0.1' })
    assert.equal((await call('POST', 'user/orgs', { login: 'harbour' })).status, 201)
  })
  after(async () => {
    receiver?.close()
    await host?.close()
  })

  const call = (method: string, path: string, body?: unknown) => host.server.api(method, `/api/v3/${path}`, body)

  async function addHook(path: string, at: string, events: readonly string[], contentType = 'json'): Promise<void> {
    const config = { url: receiver.url(at), content_type: contentType }
    const { status, body } = await call('POST', `${path}/hooks`, { name: 'web', active: true, events, config })
    assert.equal(status, 201, JSON.stringify(body))
  }

  async function ask(method: string, path: string, body?: string | Buffer, type = 'application/octet-stream'): Promise<number> {
    const authorization = `Basic ${Buffer.from(`admin:${host.server.token}`).toString('base64')}`
    const answer = await fetch(`${host.server.url}/v2/${path}`, {
      method,
      headers: { authorization, 'content-type': type },
      ...(body === undefined ? {} : { body: body as string }),
    })
    await answer.arrayBuffer()
    return answer.status
  }

  /** The digest of the image that was pushed. */
  async function push(name: string, tag: string, more: object = {}): Promise<string> {
    for (const blob of ['{}', 'layer']) assert.equal(await ask('POST', `${name}/blobs/uploads/?digest=${digestText(blob)}`, blob), 201)
    const manifest = JSON.stringify(imageOf('{}', ['layer'], more))
    assert.equal(await ask('PUT', `${name}/manifests/${tag}`, manifest, 'application/vnd.oci.image.manifest.v1+json'), 201)
    return `sha256:${createHash('sha256').update(manifest).digest('hex')}`
  }

  it('an image of an organisation that is linked to nothing is told to the organisation, under both of GitHub’s names', async () => {
    await addHook('orgs/harbour', '/org', ['package', 'registry_package'])
    const digest = await push('harbour/boat', 'v1')
    const received = await receiver.wait('/org', 2)
    assert.deepEqual(received.map(({ event }) => event).sort(), ['package', 'registry_package'])
    for (const { event, payload } of received) {
      assert.deepEqual(
        [payload.action, payload.repository, payload.organization.login, payload.sender.login],
        ['published', undefined, 'harbour', 'admin'],
      )
      const { name, namespace, package_type: type, owner, package_version: version } = payload[event]
      assert.deepEqual([name, namespace, type, owner.login], ['boat', 'harbour', 'CONTAINER', 'harbour'])
      assert.equal(typeof version.id, 'number')
      assert.deepEqual([version.version, version.container_metadata.tag], [digest, { name: 'v1', digest }])
      assert.match(version.package_url, /\/harbour\/boat:v1$/)
    }
  })

  it('a tag and a manifest that are deleted are told, and what there is no row of any more', async () => {
    await addHook('orgs/harbour', '/gone', ['package'])
    const digest = await push('harbour/ship', 'v1')
    assert.equal(await ask('DELETE', 'harbour/ship/manifests/v1'), 202)
    assert.equal(await ask('DELETE', `harbour/ship/manifests/${digest}`), 202)
    const told = (await receiver.wait('/gone', 3)).map(({ payload }) => [payload.action, payload.package.package_version.version])
    assert.deepEqual(told, [
      ['published', digest],
      ['untagged', digest],
      ['deleted', digest],
    ])
  })

  it('a linked image is told to its repository’s hooks, as CloudEvents where they want that', async () => {
    await host.create('dock')
    await addHook('repos/admin/dock', '/dock', ['package'], 'cloudevents')
    const source = { annotations: { 'org.opencontainers.image.source': `${host.server.url}/admin/dock` } }
    await push('admin/dock', 'first', source)
    // linked behind the first push: `updated` says so
    const [updated] = (await receiver.wait('/dock', 1)) as [Received]
    assert.equal(updated.payload.data.action, 'updated')
    await push('admin/dock', 'second', source)
    const [, published] = (await receiver.wait('/dock', 2)) as [Received, Received]
    assert.deepEqual([published.payload.type, published.payload.subject], ['com.github.package.published', 'admin/dock'])
    assert.match(published.payload.source, /\/repos\/admin\/dock$/)
    assert.equal(published.payload.data.repository.full_name, 'admin/dock')
    assert.equal(published.payload.data.package.package_version.container_metadata.tag.name, 'second')
  })
})
