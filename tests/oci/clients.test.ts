// Clients of registries that Go's modules give: oras (artifacts, referrers), crane (images), cosign (signatures, with a key of one's own) and helm (charts).
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { FailingProxy } from '../support/failing-proxy.ts'
import { ClientHome, openRegistryHost, type RegistryHost } from '../support/oci-clients.ts'
import { seededBytes } from '../support/random.ts'
import { installed } from './installed.ts'

let host: RegistryHost
let home: ClientHome
let registry: string
before(async () => {
  host = await openRegistryHost('oci-clients')
  home = new ClientHome(host.folder, 'home', [host.registry])
  ;({ registry } = host)
})
after(async () => await host?.close())

const programs = new Map(await Promise.all(['oras', 'crane', 'cosign', 'helm'].map(async (name) => [name, await installed(name)] as const)))

/** Skips, saying why, what can't be built here. */
function needs(...names: readonly string[]): { readonly skip?: string } {
  for (const name of names) {
    const program = programs.get(name)
    if (program !== undefined && 'skipped' in program) return { skip: program.skipped }
  }
  return {}
}

async function run(
  name: string,
  args: readonly string[],
  options: { readonly at?: ClientHome; readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const program = programs.get(name)
  if (program === undefined || !('path' in program)) throw new Error(`${name} is not here`)
  const { at = home, ...more } = options
  return at.run(program.path, args, more)
}

const password = (account: { readonly token: string }) => ({ input: account.token })

describe('oras', needs('oras'), () => {
  const plain = ['--plain-http']
  const oras = async (...args: readonly string[]) => run('oras', [...args, ...plain])
  const artifact = () => `${registry}/olive/artifact`

  it('signs in, and not with a wrong token', async () => {
    const login = (account: { readonly token: string }) =>
      run('oras', ['login', ...plain, '--username', 'olive', '--password-stdin', registry], password(account))
    await assert.rejects(login({ token: 'wrong' }), /401|unauthorized/i)
    await login(host.owner)
  })

  it('pushes files of any type, and gets them back', async () => {
    writeFileSync(home.join('work', 'notes.txt'), 'notes\n')
    writeFileSync(home.join('work', 'noise.bin'), seededBytes('oras', 2_000_000))
    await oras('push', `${artifact()}:1,latest`, '--artifact-type', 'application/vnd.example.notes', 'notes.txt:text/plain', 'noise.bin')
    await oras('pull', `${artifact()}:latest`, '-o', home.join('pulled'))
    assert.deepEqual(readFileSync(home.join('pulled', 'noise.bin')), Buffer.from(seededBytes('oras', 2_000_000)))
    assert.deepEqual((await oras('repo', 'tags', artifact())).split('\n'), ['1', 'latest'])
    assert.match(await run('oras', ['repo', 'ls', ...plain, registry]), /^olive\/artifact$/m)
  })

  it('attaches to an image, discovers by type, and copies with all that refers to it', async () => {
    const subject = `${artifact()}:1`
    for (const [type, text] of [
      ['example/sbom', 'an SBOM'],
      ['example/scan', 'a scan'],
    ] as const) {
      writeFileSync(home.join('work', 'attached.txt'), text)
      await oras('attach', subject, '--artifact-type', type, '--annotation', `example.of=${type}`, 'attached.txt:text/plain')
    }
    const discover = async (reference: string, ...more: readonly string[]) => {
      const found = JSON.parse(await oras('discover', '--format', 'json', '--distribution-spec', 'v1.1-referrers-api', ...more, reference))
      return (found as { referrers: { artifactType: string; annotations: Record<string, string> }[] }).referrers
    }
    const all = await discover(subject)
    assert.deepEqual(all.map(({ artifactType }) => artifactType).sort(), ['example/sbom', 'example/scan'])
    assert.ok(all.every(({ annotations, artifactType }) => annotations['example.of'] === artifactType))
    assert.deepEqual(
      (await discover(subject, '--artifact-type', 'example/scan')).map(({ artifactType }) => artifactType),
      ['example/scan'],
    )
    const copy = `${registry}/olive/copied:1`
    await run('oras', ['cp', '-r', '--from-plain-http', '--to-plain-http', subject, copy])
    assert.equal((await discover(copy)).length, 2)
  })

  it('fetches a blob’s bytes, tags, and deletes', async () => {
    const manifest = JSON.parse(await oras('manifest', 'fetch', `${artifact()}:1`)) as { layers: { digest: string }[] }
    await oras('blob', 'fetch', '--output', home.join('blob'), `${artifact()}@${manifest.layers[0]?.digest}`)
    assert.equal(readFileSync(home.join('blob'), 'utf8'), 'notes\n')
    await oras('tag', `${artifact()}:1`, 'again')
    const digest = await oras('resolve', `${artifact()}:again`)
    await oras('manifest', 'delete', '--force', `${artifact()}@${digest}`)
    await assert.rejects(oras('resolve', `${artifact()}:1`), /not found/i)
  })

  it('goes on after the server was away for some requests of a pull', async () => {
    let cuts = 0
    const proxy = new FailingProxy({
      target: new URL(host.server.url),
      seed: 3,
      probability: 1,
      faults: ['refuse', 'error-after'],
      only: (method, path) => method === 'GET' && /\/(blobs|manifests)\//.test(path) && cuts++ < 3,
    })
    const through = (await proxy.listen()).host
    try {
      await run('oras', ['login', ...plain, '--username', 'olive', '--password-stdin', through], password(host.owner))
      const reference = `${through}/olive/cut:1`
      writeFileSync(home.join('work', 'cut.bin'), seededBytes('cut', 3_000_000))
      await oras('push', reference, 'cut.bin')
      await oras('pull', reference, '-o', home.join('cut'))
      assert.deepEqual(readFileSync(home.join('cut', 'cut.bin')), Buffer.from(seededBytes('cut', 3_000_000)))
      assert.equal(proxy.history.length, 3)
    } finally {
      await proxy.close()
    }
  })
})

describe('crane', needs('crane'), () => {
  const crane = async (...args: readonly string[]) => run('crane', [...args, '--insecure'])
  const image = () => `${registry}/olive/crane`

  it('signs in, appends layers, copies, and what it validates is whole', async () => {
    await run('crane', ['auth', 'login', registry, '--username', 'olive', '--password-stdin', '--insecure'], password(host.owner))
    writeFileSync(home.join('work', 'file.txt'), 'text\n'.repeat(1000))
    await home.run('tar', ['-cf', 'layer.tar', 'file.txt'])
    await crane('append', '--new_layer', 'layer.tar', '--new_tag', `${image()}:1`, '--oci-empty-base')
    await crane('validate', '--remote', `${image()}:1`)
    await crane('copy', `${image()}:1`, `${registry}/olive/crane-copy:1`)
    assert.equal(await crane('digest', `${registry}/olive/crane-copy:1`), await crane('digest', `${image()}:1`))
    await crane('mutate', `${image()}:1`, '--label', 'a=b', '--tag', `${image()}:2`)
    assert.deepEqual((await crane('ls', image())).split('\n'), ['1', '2'])
    assert.match(await crane('catalog', registry), /^olive\/crane$/m)
    assert.match(await crane('export', `${image()}:2`, '-'), /file\.txt/)
  })

  it('deletes a tag’s manifest', async () => {
    await crane('delete', `${image()}@${await crane('digest', `${image()}:2`)}`)
    assert.deepEqual((await crane('ls', image())).split('\n'), ['1'])
  })

  it('sees nothing of others’ private images, and nothing after a logout', async () => {
    const stranger = new ClientHome(host.folder, 'crane-stranger', [registry])
    await run('crane', ['auth', 'login', registry, '--username', 'sam', '--password-stdin', '--insecure'], {
      at: stranger,
      ...password(host.stranger),
    })
    await assert.rejects(
      run('crane', ['manifest', `${image()}:1`, '--insecure'], { at: stranger }),
      /denied|unauthorized|unknown|not found/i,
    )
    assert.equal(await run('crane', ['catalog', registry, '--insecure'], { at: stranger }), '')
    await run('crane', ['auth', 'logout', registry], { at: stranger })
    await assert.rejects(run('crane', ['manifest', `${image()}:1`, '--insecure'], { at: stranger }), /unauthorized/i)
  })
})

describe('cosign', needs('cosign', 'crane'), () => {
  const flags = ['--allow-http-registry', '--allow-insecure-registry']
  const offline = ['--tlog-upload=false', '--use-signing-config=false', '--yes']
  let image: string

  before(async () => {
    await run('crane', ['auth', 'login', registry, '--username', 'olive', '--password-stdin', '--insecure'], password(host.owner))
    writeFileSync(home.join('work', 'signed.txt'), 'signed\n')
    await home.run('tar', ['-cf', 'signed.tar', 'signed.txt'])
    const pushed = await run('crane', [
      'append',
      '--new_layer',
      'signed.tar',
      '--new_tag',
      `${registry}/olive/signed:1`,
      '--oci-empty-base',
      '--insecure',
    ])
    image = pushed.split('\n').at(-1) ?? ''
    await run('cosign', ['generate-key-pair'])
  })

  it('signs with a key, and verifies with that key alone', async () => {
    await run('cosign', ['sign', '--key', 'cosign.key', ...offline, ...flags, image])
    await run('cosign', ['verify', '--key', 'cosign.pub', '--insecure-ignore-tlog', ...flags, image])
    await run('cosign', ['generate-key-pair', '--output-key-prefix', 'other'])
    await assert.rejects(
      run('cosign', ['verify', '--key', 'other.pub', '--insecure-ignore-tlog', ...flags, image]),
      /no matching signatures|invalid signature/i,
    )
  })

  it('attests, and the attestation is found', async () => {
    writeFileSync(home.join('work', 'predicate.json'), '{"built":"here"}')
    await run('cosign', ['attest', '--key', 'cosign.key', '--type', 'custom', '--predicate', 'predicate.json', ...offline, ...flags, image])
    await run('cosign', ['verify-attestation', '--key', 'cosign.pub', '--type', 'custom', '--insecure-ignore-tlog', ...flags, image])
  })

  it('signs as a referrer of the image', async () => {
    const env = { COSIGN_EXPERIMENTAL: '1' }
    await run('cosign', ['sign', '--key', 'cosign.key', '--registry-referrers-mode', 'oci-1-1', ...offline, ...flags, image], { env })
    const digest = image.slice(image.indexOf('@') + 1)
    const answer = await fetch(`${host.server.url}/v2/olive/signed/referrers/${digest}`, {
      headers: { authorization: `Basic ${Buffer.from(`olive:${host.owner.token}`).toString('base64')}` },
    })
    const { manifests } = (await answer.json()) as { manifests: { artifactType: string }[] }
    assert.ok(
      manifests.some(({ artifactType }) => artifactType.includes('cosign')),
      JSON.stringify(manifests),
    )
  })
})

describe('helm', needs('helm'), () => {
  const plain = ['--plain-http']

  it('signs in, pushes a chart and gets it back; after a logout it doesn’t', async () => {
    const at = new ClientHome(host.folder, 'helm', [registry])
    const helm = async (args: readonly string[], options: { readonly input?: string } = {}) => run('helm', args, { at, ...options })
    await helm(['create', 'chart'])
    await helm(['package', 'chart'])
    const push = async () => helm(['push', ...plain, 'chart-0.1.0.tgz', `oci://${registry}/olive/charts`])
    const pull = async () =>
      helm(['pull', ...plain, `oci://${registry}/olive/charts/chart`, '--version', '0.1.0', '--destination', at.join('run')])
    await helm(['registry', 'login', ...plain, '--username', 'olive', '--password-stdin', registry], password(host.owner))
    await push()
    await pull()
    const [sent, got] = [at.join('work', 'chart-0.1.0.tgz'), at.join('run', 'chart-0.1.0.tgz')].map((path) => readFileSync(path))
    assert.deepEqual(got, sent)
    assert.match(await helm(['show', 'chart', ...plain, `oci://${registry}/olive/charts/chart`, '--version', '0.1.0']), /name: chart/)
    await helm(['registry', 'logout', registry])
    await assert.rejects(pull(), /401|unauthorized|authentication/i)
  })
})
