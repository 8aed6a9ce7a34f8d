// The pull-through cache between real programs: distribution's registry (Debian's docker-registry, whose users sign in) as the upstream, skopeo as who pulls, declared
// by the command; then the upstream is switched off.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { stemma } from '../support/command.ts'
import { runProcess } from '../support/git.ts'
import { ClientHome, openRegistryHost, type RegistryHost } from '../support/oci-clients.ts'
import { freePort } from '../support/port.ts'
import { seededBytes } from '../support/random.ts'
import { until } from '../support/until.ts'

const programs = ['/usr/bin/docker-registry', '/usr/bin/skopeo', '/usr/bin/htpasswd']
const missing = programs.filter((path) => !existsSync(path))
const options = missing.length === 0 ? {} : { skip: `not installed: ${missing.join(', ')}` }

let host: RegistryHost
let home: ClientHome
let upstream: { readonly child: ChildProcess; readonly place: string; said(): string }

before(async () => {
  if (missing.length > 0) return
  host = await openRegistryHost('upstream-clients')
  upstream = await startUpstream()
  home = new ClientHome(host.folder, 'home', [host.registry, upstream.place])
})
after(async () => {
  upstream?.child.kill('SIGKILL')
  await host?.close()
})

async function startUpstream() {
  const [folder, port] = [host.folder.join('upstream'), await freePort()]
  mkdirSync(folder)
  const users = execFileSync('htpasswd', ['-Bbn', 'robot', 'secret']).toString()
  writeFileSync(`${folder}/users`, users)
  const lines = ['version: 0.1', 'log: { level: info, accesslog: { disabled: false } }', `http: { addr: "127.0.0.1:${port}" }`]
  lines.push(`storage: { filesystem: { rootdirectory: "${folder}/data" } }`, `auth: { htpasswd: { realm: test, path: "${folder}/users" } }`)
  writeFileSync(`${folder}/config.yml`, `${lines.join('\n')}\n`)
  let output = ''
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'docker-registry', 'serve', `${folder}/config.yml`])
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)))
  const place = `127.0.0.1:${port}`
  await until('the upstream listens', async () => (await fetch(`http://${place}/v2/`).catch(() => null))?.status === 401)
  return { child, place, said: () => output }
}

/** An image as an OCI layout, with two gzip'd layers. */
function writeImage(folder: string): void {
  mkdirSync(`${folder}/blobs/sha256`, { recursive: true })
  const add = (bytes: Uint8Array, mediaType: string) => {
    const hex = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(`${folder}/blobs/sha256/${hex}`, bytes)
    return { mediaType: `application/vnd.oci.image.${mediaType}`, digest: `sha256:${hex}`, size: bytes.length }
  }
  const tars = [1, 2].map((seed) => {
    writeFileSync(`${folder}/file${seed}`, seededBytes(`upstream ${seed}`, 3_000_000))
    return execFileSync('tar', ['--create', '--mtime=@0', `--directory=${folder}`, `file${seed}`], { maxBuffer: 10 << 20 })
  })
  const diffIds = tars.map((tar) => `sha256:${createHash('sha256').update(tar).digest('hex')}`)
  const config = { architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: diffIds } }
  const layers = tars.map((tar) => add(gzipSync(tar, { level: 1 }), 'layer.v1.tar+gzip'))
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: add(Buffer.from(JSON.stringify(config)), 'config.v1+json'),
    layers,
  }
  const index = {
    schemaVersion: 2,
    manifests: [
      { ...add(Buffer.from(JSON.stringify(manifest)), 'manifest.v1+json'), annotations: { 'org.opencontainers.image.ref.name': 'v1' } },
    ],
  }
  writeFileSync(`${folder}/index.json`, JSON.stringify(index))
  writeFileSync(`${folder}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}')
}

test('skopeo pulls through Stemma from distribution’s registry, many at once, and when that is off', options, async () => {
  writeImage(home.join('image'))
  const source = `docker://${upstream.place}/library/app:v1`
  await home.run('skopeo', ['copy', '--dest-tls-verify=false', '--dest-creds=robot:secret', `oci:${home.join('image')}:v1`, source])
  writeFileSync(host.folder.join('password'), 'secret\n')
  const declared = await stemma([
    'upstream',
    'declare',
    'olive/hub',
    `http://${upstream.place}`,
    '--user',
    'robot',
    '--password-file',
    host.folder.join('password'),
    '--fresh',
    '0s',
    '--data',
    host.server.data,
  ])
  assert.equal(declared.code, 0, declared.stderr)
  const listed = await stemma(['upstream', 'list', '--data', host.server.data])
  assert.ok(listed.stdout.includes('olive/hub') && !listed.stdout.includes('secret'), listed.stdout)

  const pull = async (to: string) =>
    await home.run('skopeo', [
      'copy',
      '--src-tls-verify=false',
      `--src-creds=olive:${host.owner.token}`,
      `docker://${host.registry}/olive/hub/library/app:v1`,
      `dir:${home.join(to)}`,
    ])
  await Promise.all(['a', 'b', 'c', 'd'].map(pull))
  const blobs = readdirSync(home.join('image/blobs/sha256'))
  for (const to of ['a', 'b', 'c', 'd']) {
    const manifest = readFileSync(home.join(to, 'manifest.json'))
    assert.ok(blobs.includes(createHash('sha256').update(manifest).digest('hex')), 'the manifest is not byte for byte the same')
    const files = readdirSync(home.join(to)).filter((name) => /^[0-9a-f]{64}$/.test(name))
    assert.equal(files.length, 3)
    for (const file of files) assert.ok(readFileSync(home.join(to, file)).equals(readFileSync(home.join('image/blobs/sha256', file))))
  }
  const fetched = upstream.said().match(/"GET \/v2\/library\/app\/blobs\/\S+ HTTP\/1\.1" 200/g) ?? []
  assert.equal(fetched.length, 3, `config and two layers, once each:\n${fetched.join('\n')}`)

  upstream.child.kill('SIGKILL')
  await pull('off')
  assert.deepEqual(readdirSync(home.join('off')).sort(), readdirSync(home.join('a')).sort())
  const pushed = await runProcess('skopeo', [
    'copy',
    '--dest-tls-verify=false',
    `--dest-creds=olive:${host.owner.token}`,
    `oci:${home.join('image')}:v1`,
    `docker://${host.registry}/olive/hub/library/app:v2`,
  ])
  assert.notEqual(pushed.code, 0, 'something was pushed where an upstream is')
  const stranger = await runProcess('skopeo', [
    'inspect',
    '--raw',
    '--tls-verify=false',
    `--creds=sam:${host.stranger.token}`,
    `docker://${host.registry}/olive/hub/library/app:v1`,
  ])
  assert.notEqual(stranger.code, 0, 'a private cache is read by who has no role')
})
