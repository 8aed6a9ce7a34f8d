// Clients that Go's modules give, and podman, pull large blobs from the bucket itself: they follow the redirect, and show the bucket nothing of what they show the registry
// (the small S3 here refuses a request with two ways to authenticate).
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { MemoryS3 } from '../support/memory-s3.ts'
import { ClientHome, openRegistryHost, type RegistryHost } from '../support/oci-clients.ts'
import { seededBytes } from '../support/random.ts'
import { tarMember, tarOf } from '../support/tar.ts'
import { installed } from './installed.ts'

const [crane, oras] = await Promise.all([installed('crane'), installed('oras')])
const podman = '/usr/bin/podman'
const skip = [crane, oras].flatMap((program) => ('skipped' in program ? [program.skipped] : []))[0]
const needs = skip === undefined ? {} : { skip }

let s3: MemoryS3
let host: RegistryHost
let home: ClientHome
const noise = Buffer.from(seededBytes('redirects', 2_000_000))
before(async () => {
  if (skip !== undefined) return
  s3 = await MemoryS3.start()
  host = await openRegistryHost('redirects', {
    ...s3.environment,
    STEMMA_BUCKET_S3_PUBLIC_ENDPOINT: s3.endpoint.replace('127.0.0.1', 'localhost'),
    STEMMA_REGISTRY_REDIRECT: 'all',
  })
  home = new ClientHome(host.folder, 'home', [host.registry])
  writeFileSync(home.join('work', 'noise.bin'), noise)
  writeFileSync(home.join('work', 'layer.tar'), tarOf(tarMember({ name: 'noise', body: noise })))
})
after(async () => {
  await host?.close()
  await s3?.stop()
})

const run = (program: typeof crane, ...args: readonly string[]) => home.run('path' in program ? program.path : '', args)

/** How many of its requests went to the bucket. */
async function redirected(pulling: () => Promise<unknown>): Promise<number> {
  s3.resetLog()
  await pulling()
  return s3.log.filter(({ isSigned }) => isSigned).length
}

test('crane', needs, async () => {
  const image = `${host.registry}/olive/crane:1`
  await run(crane, 'auth', 'login', host.registry, '-u', 'olive', '-p', host.owner.token)
  await run(crane, 'append', '--insecure', '-f', 'layer.tar', '-t', image)
  assert.equal(await redirected(() => run(crane, 'pull', '--insecure', image, 'pulled.tar')), 1)
  assert.ok(readFileSync(home.join('work', 'pulled.tar')).length > noise.length)
})

test('oras', needs, async () => {
  const artifact = `${host.registry}/olive/oras:1`
  await run(oras, 'login', '--plain-http', '--username', 'olive', '--password', host.owner.token, host.registry)
  await run(oras, 'push', '--plain-http', artifact, 'noise.bin')
  assert.equal(await redirected(() => run(oras, 'pull', '--plain-http', artifact, '-o', home.join('pulled'))), 1)
  assert.ok(readFileSync(home.join('pulled', 'noise.bin')).equals(noise))
})

test('podman', { skip: skip ?? (!existsSync(podman) && 'podman is not installed') }, async () => {
  const image = `${host.registry}/olive/crane:1`
  const plain = ['--storage-driver', 'vfs']
  await home.run(podman, ['login', '--tls-verify=false', '-u', 'olive', '-p', host.owner.token, host.registry])
  assert.equal(await redirected(() => home.run(podman, [...plain, 'pull', '--tls-verify=false', image])), 1)
})
