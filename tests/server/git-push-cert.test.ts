// Signed pushes with the real git (SSH and OpenPGP keys made for the purpose), and certificates written by hand.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { after, before, describe, it, type TestContext } from 'node:test'
import type pg from 'pg'
import { openDatabase } from '../support/database.ts'
import { type Git, runProcess } from '../support/git.ts'
import { type Host, onPeer, openHost } from '../support/host.ts'
import { stemmaStorage } from '../support/target.ts'
import { advertisedRefs, flush, pkt, push, readPkts, send, zeroId } from '../support/wire.ts'

let host: Host
let git: Git
let work: string
let database: pg.Client

before(async () => {
  if (onPeer) return
  host = await openHost('push-cert')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 3)
  database = await openDatabase(host.server)
})
after(async () => {
  await database?.end()
  await host?.close()
})

const settings = { 'receive.certNonceSeed': 'sekrit', 'receive.certNonceSlop': 100 }

async function create(name: string, more: Readonly<Record<string, unknown>> = settings): Promise<string> {
  const url = await host.create(name)
  await git.run(['push', '-q', url, 'main', 'main:ff'], { cwd: work })
  await host.configure(name, more)
  return url
}

interface Kept {
  readonly text: string
  readonly pusher: string | null
  readonly pushee: string | null
  readonly is_pushee_right: boolean
  readonly nonce_status: string
  readonly nonce_slop_s: number | null
  readonly refs: string[] | null
}

async function lastCertificate(): Promise<Kept> {
  const { rows } = await database.query<Kept>(
    `select convert_from(certificate, 'UTF8') as text, pusher, pushee, is_pushee_right, nonce_status, nonce_slop_s::int,
            (select array_agg(name order by name) from reflog where certificate_id = c.id) as refs
     from push_certificate c order by id desc limit 1`,
  )
  assert.ok(rows[0])
  return rows[0]
}

async function certificates(): Promise<number> {
  const { rows } = await database.query<{ count: number }>('select count(*)::int as count from push_certificate')
  return rows[0]?.count ?? 0
}

/** Git settings that sign with a fresh SSH key; null when the machine has no ssh-keygen. */
async function sshKey(): Promise<string[] | null> {
  const path = host.folder.join(`key-${randomUUID()}`)
  const made = await runProcess('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]).catch(() => null)
  return made?.code === 0 ? ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${path}`] : null
}

async function nonceOf(url: string): Promise<string | undefined> {
  const answer = await send(url, `${new URL(url).pathname}/info/refs?service=git-receive-pack`)
  return readPkts(answer.body)
    .map((line) => / push-cert=([^ \n]+)/.exec(line.toString())?.[1])
    .find((nonce) => nonce !== undefined)
}

async function assertKept(url: string, signature: RegExp): Promise<void> {
  const kept = await lastCertificate()
  const [id, old] = [await git.read(['rev-parse', 'main'], { cwd: work }), await git.read(['rev-parse', 'main~1'], { cwd: work })]
  assert.match(kept.text, /^certificate version 0\.1\npusher /)
  assert.match(kept.text, signature)
  assert.ok(kept.text.includes(`\n${old} ${id} refs/heads/ff\n${zeroId} ${id} refs/heads/new\n`), kept.text)
  assert.equal(kept.nonce_status, 'OK')
  // git hides the password, and adds a slash
  assert.equal(kept.pushee?.replace(/^http:\/\//, ''), `${url.split('@').at(-1)}/`)
  assert.equal(kept.is_pushee_right, true)
  assert.match(kept.pusher ?? '', /\d+ \+0000$/)
  assert.deepEqual(kept.refs, ['refs/heads/ff', 'refs/heads/new'])
  const outbox = await database.query(`select payload from outbox where kind = 'push' order by id desc limit 1`)
  assert.equal(outbox.rows[0].payload.certificate.nonce, 'OK')
}

describe('signed pushes', stemmaStorage, () => {
  it('are not offered without a seed', async () => {
    const url = await create('unsigned', {})
    assert.equal(await nonceOf(url), undefined)
    const refused = await git.run(['push', '--signed', url, 'main:new'], { cwd: work, mayFail: true })
    assert.match(refused.stderr, /the receiving end does not support --signed push/)
    await git.run(['push', '-q', '--signed=if-asked', url, 'main:new'], { cwd: work })
  })

  it('by SSH are kept with what they moved', async (context: TestContext) => {
    const key = await sshKey()
    if (key === null) return context.skip('ssh-keygen is missing')
    const url = await create('ssh')
    await git.run(['push', '-q', '-f', url, 'main~1:ff'], { cwd: work })
    assert.match((await nonceOf(url)) ?? '', /^\d+-[0-9a-f]{40}$/)
    await git.run([...key, 'push', '-q', '--signed', url, 'main:ff', 'main:new'], { cwd: work })
    await assertKept(url, /-----BEGIN SSH SIGNATURE-----/)
    // an unsigned push leaves none
    const before = await certificates()
    await git.run(['push', '-q', url, 'main:plain'], { cwd: work })
    assert.equal(await certificates(), before)
    return undefined
  })

  it('by OpenPGP are kept with what they moved', async (context: TestContext) => {
    const home = host.folder.join('gnupg')
    mkdirSync(home, { mode: 0o700 })
    const env = { ...process.env, GNUPGHOME: home }
    const who = 'Tester <tester@example.com>'
    const made = await runProcess('gpg', ['--batch', '--quiet', '--passphrase', '', '--quick-generate-key', who, 'ed25519', 'sign'], {
      env,
    }).catch(() => null)
    if (made?.code !== 0) return context.skip('gpg is missing')
    const url = await create('pgp')
    await git.run(['push', '-q', '-f', url, 'main~1:ff'], { cwd: work })
    await git.run(['push', '-q', '--signed', url, 'main:ff', 'main:new'], { cwd: work, env: { GNUPGHOME: home } })
    await assertKept(url, /-----BEGIN PGP SIGNATURE-----/)
    await runProcess('gpgconf', ['--kill', 'all'], { env }).catch(() => null)
    return undefined
  })

  it('may bring push options, inside and outside alike', async (context: TestContext) => {
    const key = await sshKey()
    if (key === null) return context.skip('ssh-keygen is missing')
    const url = await create('options')
    await git.run([...key, 'push', '-q', '--signed', '-o', 'foo', '-o', 'bar', url, 'main:new'], { cwd: work })
    assert.match((await lastCertificate()).text, /\npush-option foo\npush-option bar\n\n/)
    return undefined
  })
})

describe('certificates by hand', stemmaStorage, () => {
  const body = (lines: readonly string[], capabilities = 'report-status side-band-64k push-options', options: readonly string[] = []) =>
    Buffer.concat([
      pkt(`push-cert\0${capabilities}\n`),
      ...lines.map((line) => pkt(`${line}\n`)),
      pkt('push-cert-end\n'),
      flush,
      ...(capabilities.includes('push-options') ? [...options.map((option) => pkt(option)), flush] : []),
    ])
  const deletion = async (headers: readonly string[]) => [
    'certificate version 0.1',
    'pusher T <t@example.com> 1700000000 +0000',
    ...headers,
    '',
    `${await git.read(['rev-parse', 'main'], { cwd: work })} ${zeroId} refs/heads/ff`,
  ]
  const sends = async (url: string, headers: readonly string[], options: readonly string[] = []) =>
    push(url, [], Buffer.alloc(0), { body: body(await deletion(headers), undefined, options) })

  it('say by their nonce what they are', async () => {
    const nonce = (await nonceOf(await create('nonces'))) as string
    const old = `1700000000-${nonce.split('-')[1]}`
    const elsewhere = (await nonceOf(await create('elsewhere'))) as string
    for (const [n, headers, status] of [
      [0, [`nonce ${nonce}`], 'OK'],
      [1, [], 'MISSING'],
      [2, ['nonce 123-abc'], 'BAD'],
      [3, [`nonce ${old}`], 'BAD'],
      [4, [`nonce ${elsewhere}`], 'BAD'],
    ] as const) {
      const url = n === 0 ? host.server.repositoryUrl('nonces') : await create(`nonces-${n}`)
      const answer = await sends(url, headers)
      assert.equal(answer.refs.get('refs/heads/ff'), 'ok', answer.text)
      assert.equal((await lastCertificate()).nonce_status, status)
    }
    const url = await create('no-seed', {})
    await sends(url, [`nonce ${nonce}`])
    assert.equal((await lastCertificate()).nonce_status, 'UNSOLICITED')
  })

  it('say whether they were meant for this repository', async () => {
    for (const [pushee, isRight] of [
      ['https://elsewhere.example/admin/pushee-0', true],
      ['https://elsewhere.example/admin/other.git', false],
      ['', false],
    ] as const) {
      const url = await create(`pushee-${pushee.length > 0 && isRight ? 0 : randomUUID()}`)
      await sends(url, pushee === '' ? [] : [`pushee ${pushee}`])
      assert.equal((await lastCertificate()).is_pushee_right, isRight, pushee)
    }
  })

  it('must have the options that the push has', async () => {
    const url = await create('tweaked')
    for (const [inside, outside] of [
      [
        ['foo', 'bar'],
        ['foo', 'baz'],
      ],
      [['foo'], []],
      [[], ['foo']],
      [
        ['a', 'b'],
        ['b', 'a'],
      ],
    ] as const) {
      const answer = await sends(
        url,
        inside.map((option) => `push-option ${option}`),
        outside,
      )
      assert.equal(answer.refs.get('refs/heads/ff'), 'inconsistent push options')
    }
    assert.equal((await advertisedRefs(url)).has('refs/heads/ff'), true)
    const same = await sends(url, ['push-option foo', 'push-option bar'], ['foo', 'bar'])
    assert.equal(same.refs.get('refs/heads/ff'), 'ok')
  })

  it('are not kept when nothing moves', async () => {
    const url = await create('refused', { ...settings, 'receive.denyDeletes': true })
    const before = await certificates()
    const answer = await sends(url, [])
    assert.equal(answer.refs.get('refs/heads/ff'), 'deletion prohibited')
    assert.equal(await certificates(), before)
  })

  it('that are malformed are no push', async () => {
    const url = await create('malformed')
    const lines = await deletion([])
    for (const [bad, words] of [
      [lines.slice(0, 2), /malformed push certificate certificate version 0\.1/],
      [[...lines, 'not a command'], /expected old\/new\/ref/],
    ] as const) {
      const answer = await push(url, [], Buffer.alloc(0), { body: body(bad) })
      assert.equal(answer.status, 200) // told in the protocol: git shows it
      assert.match(answer.body.toString(), words)
    }
    const both = Buffer.concat([body(lines).subarray(0, -8), pkt(`${zeroId} ${'1'.repeat(40)} refs/heads/x`), flush, flush])
    const answer = await push(url, [], Buffer.alloc(0), { body: both })
    assert.equal(answer.status, 200) // told in the protocol: git shows it
    assert.match(answer.body.toString(), /got both push certificate and unsigned commands/)
  })
})
