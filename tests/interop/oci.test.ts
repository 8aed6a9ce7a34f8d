// Debian's clients of registries: buildah builds and pushes, podman pulls and pushes, skopeo copies, looks and deletes, umoci changes what skopeo has fetched.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { FailingProxy } from '../support/failing-proxy.ts'
import { ClientHome, openRegistryHost, type RegistryHost } from '../support/oci-clients.ts'
import { seededBytes } from '../support/random.ts'

let host: RegistryHost
let home: ClientHome
let image: string
const noise = seededBytes('layer', 3_000_000)

before(async () => {
  host = await openRegistryHost('interop-oci')
  home = new ClientHome(host.folder, 'home', [host.registry])
  image = `${host.registry}/olive/app`
})
after(async () => await host?.close())

const login = async (one: ClientHome, account: { readonly login: string; readonly token: string }, command = 'podman') =>
  one.run(command, ['login', '--username', account.login, '--password-stdin', host.registry], { input: account.token })

async function build(tag: string, files: Readonly<Record<string, string | Uint8Array>>, options: readonly string[] = []): Promise<void> {
  const context = home.join('work', 'context')
  rmSync(context, { recursive: true, force: true })
  mkdirSync(context, { recursive: true })
  for (const [name, bytes] of Object.entries(files)) writeFileSync(`${context}/${name}`, bytes)
  const copies = Object.keys(files).map((name) => `COPY ${name} /${name}`)
  writeFileSync(`${context}/Containerfile`, ['FROM scratch', ...copies, 'LABEL version=1', ''].join('\n'))
  await home.run('buildah', ['bud', '--layers', '--format', 'oci', ...options, '-t', tag, context])
}

async function digestOf(reference: string, one = home): Promise<string> {
  return one.run('skopeo', ['inspect', '--format', '{{.Digest}}', `docker://${reference}`])
}

async function tags(): Promise<readonly string[]> {
  return (JSON.parse(await home.run('skopeo', ['list-tags', `docker://${image}`])) as { Tags: string[] }).Tags
}

describe('buildah and podman', () => {
  it('refuses to push before a login, and after one as somebody else', async () => {
    await build(`${image}:1`, { hello: 'hello\n', noise })
    await assert.rejects(
      home.run('buildah', ['push', `${image}:1`]),
      /denied|unauthorized|authentication required|requires authentication/i,
    )
    await login(home, host.stranger, 'buildah')
    await assert.rejects(home.run('buildah', ['push', `${image}:1`]), /denied|unauthorized|authentication|not found|unknown/i)
    await home.run('buildah', ['logout', host.registry])
  })

  it('signs in, and not with a wrong token', async () => {
    await assert.rejects(login(home, { login: 'olive', token: `${host.owner.token}x` }), /invalid username\/password|unauthorized/i)
    await login(home, host.owner)
    assert.equal(await home.run('podman', ['login', '--get-login', host.registry]), 'olive')
  })

  it('pushes what buildah built; podman pulls the same, byte for byte', async () => {
    await home.run('buildah', ['push', '--digestfile', home.join('digest'), `${image}:1`])
    const pushed = readFileSync(home.join('digest'), 'utf8').trim()
    assert.equal(await digestOf(`${image}:1`), pushed)

    const other = new ClientHome(host.folder, 'other', [host.registry])
    await login(other, host.owner)
    await other.run('podman', ['pull', '-q', `${image}:1`])
    const mounted = await other.run('podman', ['image', 'mount', `${image}:1`])
    assert.deepEqual(readFileSync(`${mounted}/noise`), Buffer.from(noise))
    assert.equal(readFileSync(`${mounted}/hello`, 'utf8'), 'hello\n')
    await other.run('podman', ['image', 'unmount', `${image}:1`])
    await other.run('podman', ['tag', `${image}:1`, `${image}:2`])
    await other.run('podman', ['push', '-q', `${image}:2`])
    await other.run('podman', ['push', '-q', '--format', 'v2s2', `${image}:1`, `${image}:docker`])
    assert.deepEqual(await tags(), ['1', '2', 'docker'])
    const raw = await other.run('skopeo', ['inspect', '--raw', `docker://${image}:docker`])
    assert.equal((JSON.parse(raw) as { mediaType: string }).mediaType, 'application/vnd.docker.distribution.manifest.v2+json')
  })

  it('pushes and pulls a list of images by platform', async () => {
    const list = `${image}:list`
    await build(`${image}:arm`, { hello: 'hello\n', arm: 'arm\n' }, ['--arch', 'arm64'])
    await home.run('buildah', ['manifest', 'create', list])
    for (const tag of ['1', 'arm']) await home.run('buildah', ['manifest', 'add', list, `containers-storage:${image}:${tag}`])
    await home.run('buildah', ['manifest', 'push', '--all', '--format', 'oci', list, `docker://${list}`])
    const index = JSON.parse(await home.run('skopeo', ['inspect', '--raw', `docker://${list}`])) as {
      manifests: { platform: { architecture: string } }[]
    }
    assert.deepEqual(index.manifests.map(({ platform }) => platform.architecture).sort(), ['amd64', 'arm64'])
    await home.run('podman', ['pull', '-q', '--arch', 'arm64', list])
  })

  it('pushes again what it changed: only the new layer goes over', async () => {
    await build(`${image}:3`, { hello: 'hello\n', noise, later: 'later\n' })
    await home.run('buildah', ['push', `${image}:3`])
    const [first, third] = await Promise.all(['1', '3'].map(async (tag) => layersOf(`${image}:${tag}`)))
    assert.deepEqual(third?.slice(0, 2), first)
  })
})

async function layersOf(reference: string): Promise<readonly string[]> {
  return (JSON.parse(await home.run('skopeo', ['inspect', `docker://${reference}`])) as { Layers: string[] }).Layers
}

describe('skopeo', () => {
  it('copies from image to image, to a folder and back, and the digest stays', async () => {
    const digest = await digestOf(`${image}:1`)
    await home.run('skopeo', ['copy', '-q', `docker://${image}:1`, `docker://${host.registry}/olive/deep/er/copy:1`])
    assert.equal(await digestOf(`${host.registry}/olive/deep/er/copy:1`), digest)
    await home.run('skopeo', ['copy', '-q', `docker://${image}@${digest}`, `dir:${home.join('dir')}`])
    for (const layer of await layersOf(`${image}:1`)) {
      const bytes = readFileSync(home.join('dir', layer.replace('sha256:', '')))
      assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, layer)
    }
    await home.run('skopeo', ['copy', '-q', `dir:${home.join('dir')}`, `docker://${host.registry}/olive/back:1`])
    assert.equal(await digestOf(`${host.registry}/olive/back:1`), digest)
    await home.run('skopeo', ['copy', '-q', '--all', `docker://${image}:list`, `docker://${host.registry}/olive/back:list`])
    assert.equal(await digestOf(`${host.registry}/olive/back:list`), await digestOf(`${image}:list`))
  })

  it('syncs all of an image', async () => {
    await home.run('skopeo', ['sync', '--src', 'docker', '--dest', 'docker', '--all', image, `${host.registry}/olive/mirror`])
    const found = JSON.parse(await home.run('skopeo', ['list-tags', `docker://${host.registry}/olive/mirror/app`])) as { Tags: string[] }
    assert.deepEqual(found.Tags, await tags())
  })

  it('deletes an image, which is gone at once', async () => {
    await home.run('skopeo', ['delete', `docker://${host.registry}/olive/back:list`])
    await assert.rejects(digestOf(`${host.registry}/olive/back:list`), /manifest unknown|not found/i)
  })

  it('shows nothing of a private image to others, and no less after a logout', async () => {
    const stranger = new ClientHome(host.folder, 'stranger', [host.registry])
    await assert.rejects(digestOf(`${image}:1`, stranger), /unauthorized|authentication/i)
    await login(stranger, host.stranger, 'skopeo')
    const refusals = await Promise.all(
      [`${image}:1`, `${host.registry}/olive/nothing:1`].map(async (reference) =>
        digestOf(reference, stranger).then(
          () => assert.fail('it was shown'),
          (error: Error) => error.message.replaceAll(/app|nothing/g, 'NAME').replaceAll(/time="[^"]*"/g, ''),
        ),
      ),
    )
    assert.equal(refusals[0], refusals[1])
    await stranger.run('skopeo', ['logout', host.registry])
    await assert.rejects(digestOf(`${image}:1`, stranger), /unauthorized|authentication/i)
  })

  it('goes on after its connection was cut in the middle of a blob', async () => {
    let cuts = 0
    const proxy = new FailingProxy({
      target: new URL(host.server.url),
      seed: 6,
      probability: 1,
      faults: ['cut-answer', 'drop'],
      only: (method, path) => method === 'GET' && path.includes('/blobs/sha256:') && cuts++ < 2,
    })
    const through = (await proxy.listen()).host
    try {
      const cut = new ClientHome(host.folder, 'cut', [through])
      await cut.run('skopeo', ['login', '--username', 'olive', '--password-stdin', through], { input: host.owner.token })
      await cut.run('skopeo', ['copy', '-q', '--retry-times', '5', `docker://${through}/olive/app:1`, `dir:${cut.join('dir')}`])
      assert.equal(proxy.history.length, 2)
    } finally {
      await proxy.close()
    }
  })
})

describe('umoci', () => {
  it('unpacks what skopeo has fetched, and what it made of it is pushed and pulled again', async () => {
    const layout = home.join('layout')
    await home.run('skopeo', ['copy', '-q', `docker://${image}:1`, `oci:${layout}:1`])
    await home.run('umoci', ['unpack', '--image', `${layout}:1`, home.join('bundle')])
    assert.deepEqual(readFileSync(home.join('bundle', 'rootfs', 'noise')), Buffer.from(noise))
    writeFileSync(home.join('bundle', 'rootfs', 'mine'), 'from umoci\n')
    rmSync(home.join('bundle', 'rootfs', 'hello'))
    await home.run('umoci', ['repack', '--image', `${layout}:changed`, home.join('bundle')])
    await home.run('skopeo', ['copy', '-q', `oci:${layout}:changed`, `docker://${image}:changed`])
    await home.run('podman', ['pull', '-q', `${image}:changed`])
    const mounted = await home.run('podman', ['image', 'mount', `${image}:changed`])
    assert.equal(readFileSync(`${mounted}/mine`, 'utf8'), 'from umoci\n')
    assert.throws(() => readFileSync(`${mounted}/hello`))
    await home.run('podman', ['image', 'unmount', `${image}:changed`])
  })
})
