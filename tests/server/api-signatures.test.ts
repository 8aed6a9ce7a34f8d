// Whose signatures are, by the API: commits and tags that real git signs with SSH (ssh-keygen) and OpenPGP (gpg), good ones and every way in which they aren't.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { type AccountId, changeAccount, operator } from '../../src/access/index.ts'
import { makeLog } from '../../src/base/index.ts'
import { Database } from '../../src/db/index.ts'
import type { TestAccount } from '../support/accounts.ts'
import { refusal } from '../support/api-git.ts'
import { octokitOf } from '../support/octokit.ts'
import { databaseUrl } from '../support/database.ts'
import { Forks } from '../support/forks.ts'
import { type Git, runProcess } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'

let host: Host
let git: Git
let work: string
let url: string
let forks: Forks
let db: Database
let ann: TestAccount
let gnupg: string
const annEmail = 'ann@example.com'

/** Why not, where a program is missing; printed by the runner. */
function lacking(program: string): { readonly skip?: string } {
  if (stemmaOnly.skip !== undefined) return stemmaOnly
  try {
    execFileSync('sh', ['-c', `command -v ${program}`])
    return {}
  } catch {
    return { skip: `there is no ${program} on this machine` }
  }
}

before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('signatures')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 2)
  await git.run(['branch', 'start'], { cwd: work })
  url = await host.create('signed')
  forks = Forks.open(host.server)
  db = new Database({ url: databaseUrl(host.server), poolSize: 2, log: makeLog('silent') })
  ann = await forks.account('ann')
  await changeAccount(db, ann.id, { email: annEmail }, operator)
  gnupg = host.folder.join('gnupg')
  mkdirSync(gnupg, { mode: 0o700 })
})
after(async () => {
  if (gnupg)
    await runProcess('gpgconf', ['--kill', 'all'], { env: { PATH: process.env.PATH ?? '', GNUPGHOME: gnupg }, mayFail: true }).catch(
      () => {},
    )
  await forks?.close()
  await db?.close()
  await host?.close()
})

const rest = (token = host.server.token) => octokitOf(host.server.url, token).rest
const at = { owner: 'admin', repo: 'signed' }

/** A key of that kind; the arguments that make git sign with it, and its public line. */
async function sshKey(name: string, type = 'ed25519', bits?: string): Promise<{ config: string[]; line: string }> {
  const path = host.folder.join(name)
  await runProcess('ssh-keygen', ['-q', '-t', type, ...(bits === undefined ? [] : ['-b', bits]), '-N', '', '-C', 'a comment', '-f', path])
  return { config: ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${path}`], line: readFileSync(`${path}.pub`, 'utf8') }
}

const committer = (email: string) => ({ GIT_COMMITTER_EMAIL: email, GIT_COMMITTER_NAME: 'Ann' })

async function signedCommit(config: readonly string[], email = annEmail, env: Readonly<Record<string, string>> = {}): Promise<string> {
  await git.run([...config, 'commit', '-q', '-S', '--allow-empty', '-m', 'signed\n\nwith words'], {
    cwd: work,
    env: { ...committer(email), ...env },
  })
  return await git.read(['rev-parse', 'HEAD'], { cwd: work })
}

async function pushed(): Promise<void> {
  await git.run(['push', '-q', '--force', '--tags', url, 'HEAD:main'], { cwd: work })
}

async function verdict(oid: string) {
  const { data } = await rest().git.getCommit({ ...at, commit_sha: oid })
  const { verified, reason } = data.verification
  assert.equal(verified, reason === 'valid')
  return reason
}

/** A commit as `edit` leaves it, written without asking git for its opinion. */
async function rewritten(oid: string, edit: (text: string) => string): Promise<string> {
  const text = (await git.run(['cat-file', 'commit', oid], { cwd: work })).stdout
  const changed = edit(text)
  assert.notEqual(changed, text)
  const made = (await git.run(['hash-object', '-t', 'commit', '-w', '--stdin'], { cwd: work, input: changed })).stdout.trim()
  await git.run(['reset', '-q', '--hard', made], { cwd: work })
  return made
}

describe('signatures of SSH', lacking('ssh-keygen'), () => {
  it('by every kind of key are known by the address that somebody else gave the user', async () => {
    for (const [type, bits] of [['ed25519'], ['ecdsa', '256'], ['ecdsa', '384'], ['ecdsa', '521'], ['rsa', '3072']] as const) {
      const key = await sshKey(`id-${type}-${bits}`, type, bits)
      const oid = await signedCommit(key.config)
      await pushed()
      assert.equal(await verdict(oid), 'unknown_key', type)
      const { data: made } = await rest(ann.token).users.createSshSigningKeyForAuthenticatedUser({ title: type, key: key.line })
      assert.equal(await verdict(oid), 'valid', `${type} ${bits}`)
      const { verification } = (await rest().git.getCommit({ ...at, commit_sha: oid })).data
      assert.match(verification.signature ?? '', /^-----BEGIN SSH SIGNATURE-----\n/)
      assert.match(
        verification.payload ?? '',
        /^tree [0-9a-f]{40}\nparent [0-9a-f]{40}\nauthor [^\n]+\ncommitter Ann <ann@example.com> [^\n]+\n\nsigned\n\nwith words\n$/,
      )
      assert.equal((verification as { verified_at?: string }).verified_at, made.created_at)
      await rest(ann.token).users.deleteSshSigningKeyForAuthenticatedUser({ ssh_signing_key_id: made.id })
      assert.equal(await verdict(oid), 'unknown_key')
    }
  })

  it('of another address, of one that the user gave himself, and of none', async () => {
    const key = await sshKey('id-address')
    const { data: made } = await rest(ann.token).users.createSshSigningKeyForAuthenticatedUser({ title: '', key: key.line })
    assert.equal(made.title, 'a comment')
    const [own, other] = [await signedCommit(key.config, 'ANN@example.com'), await signedCommit(key.config, 'bob@example.com')]
    await pushed()
    assert.deepEqual([await verdict(own), await verdict(other)], ['valid', 'bad_email'])
    const set = (email: string | null, token: string) => host.server.api('PATCH', '/api/v3/user', { email }, token)
    assert.equal((await set('bob@example.com', ann.token)).status, 200)
    assert.deepEqual([await verdict(own), await verdict(other)], ['bad_email', 'unverified_email'])
    assert.equal((await host.server.api('PATCH', '/api/v3/admin/users/ann', { email: 'bob@example.com' })).status, 200)
    assert.equal(await verdict(other), 'valid')
    assert.equal((await set('bob@example.com', ann.token)).status, 200) // the same again
    assert.equal(await verdict(other), 'valid')
    await changeAccount(db, ann.id as AccountId, { email: annEmail }, operator)
    const nobody = await signedCommit(key.config, '')
    await pushed()
    assert.equal(await verdict(nobody), 'no_user')
  })

  it('of something else than the commit, for another purpose, or cut short', async () => {
    const key = await sshKey('id-changed')
    await rest(ann.token).users.createSshSigningKeyForAuthenticatedUser({ title: 'k', key: key.line })
    const good = await signedCommit(key.config)
    const changed = await rewritten(good, (text) => text.replace('with words', 'with other words'))
    const short = await rewritten(good, (text) => text.replace(/\n [A-Za-z0-9+/=]+\n -----END/, '\n -----END'))
    const odd = await rewritten(good, (text) => text.replaceAll('SSH SIGNATURE', 'ODD SIGNATURE'))
    const x509 = await rewritten(good, (text) => text.replaceAll('SSH SIGNATURE', 'SIGNED MESSAGE'))
    const twice = await rewritten(good, (text) => text.replace(/(gpgsig [\s\S]+?END SSH SIGNATURE-----\n)/, '$1$1'))
    const whole = (await git.run(['cat-file', 'commit', good], { cwd: work })).stdout
    writeFileSync(host.folder.join('payload'), whole.replace(/gpgsig [\s\S]+?END SSH SIGNATURE-----\n/, ''))
    await runProcess('ssh-keygen', ['-q', '-Y', 'sign', '-n', 'file', '-f', host.folder.join('id-changed'), host.folder.join('payload')])
    const armored = readFileSync(host.folder.join('payload.sig'), 'utf8').trimEnd().replaceAll('\n', '\n ')
    const purpose = await rewritten(good, (text) => text.replace(/gpgsig [\s\S]+?END SSH SIGNATURE-----\n/, `gpgsig ${armored}\n`))
    for (const [i, oid] of [good, changed, short, odd, x509, twice, purpose].entries())
      await git.run(['push', '-q', url, `${oid}:refs/heads/odd-${i}`], { cwd: work })
    const found = await Promise.all([good, changed, short, odd, x509, twice, purpose].map(verdict))
    const unknown = 'unknown_signature_type'
    assert.deepEqual(found, ['valid', 'invalid', 'malformed_signature', unknown, unknown, 'malformed_signature', 'invalid'])
  })

  it('of tags, in lists, comparisons and branches; what is unsigned says so', async () => {
    const key = await sshKey('id-tags')
    await rest(ann.token).users.createSshSigningKeyForAuthenticatedUser({ title: 'k', key: key.line })
    await git.run(['checkout', '-q', '-B', 'listed', 'start'], { cwd: work })
    const good = await signedCommit(key.config)
    await git.run([...key.config, 'tag', '-s', '-m', 'one\n\nmore', 'signed-tag'], { cwd: work, env: committer(annEmail) })
    await git.run(['tag', '-a', '-m', 'plain', 'plain-tag'], { cwd: work })
    await git.run(['push', '-q', url, 'listed', 'start:refs/heads/start', '--tags', '--force'], { cwd: work })
    const tag = async (name: string) =>
      (await rest().git.getTag({ ...at, tag_sha: await git.read(['rev-parse', name], { cwd: work }) })).data
    const { message, verification } = await tag('signed-tag')
    assert.deepEqual([message, verification?.reason], ['one\n\nmore', 'valid'])
    assert.match(
      verification?.payload ?? '',
      /^object [0-9a-f]{40}\ntype commit\ntag signed-tag\ntagger Ann <ann@example.com> [^\n]+\n\none\n\nmore\n$/,
    )
    assert.equal((await tag('plain-tag')).verification?.reason, 'unsigned')
    const list = (await rest().repos.listCommits({ ...at, sha: 'listed' })).data.map(({ commit }) => commit.verification?.reason)
    assert.deepEqual(list, ['valid', 'unsigned', 'unsigned'])
    const compared = (await rest().repos.compareCommits({ ...at, base: 'start', head: 'listed' })).data
    assert.deepEqual(
      compared.commits.map(({ commit }) => commit.verification?.reason),
      ['valid'],
    )
    assert.equal((await rest().repos.getBranch({ ...at, branch: 'listed' })).data.commit.commit.verification?.reason, 'valid')
    assert.equal((await rest().repos.getCommit({ ...at, ref: good })).data.commit.verification?.reason, 'valid')
  })

  it('are asked about anew when keys change, whatever the client has kept', async () => {
    const key = await sshKey('id-etag')
    const oid = await signedCommit(key.config)
    await git.run(['push', '-q', url, 'HEAD:refs/heads/etag'], { cwd: work })
    const paths = [`git/commits/${oid}`, `commits/${oid}`, `compare/start...${oid}`]
    const ask = async (path: string, tag: string | null) =>
      fetch(`${host.server.url}/api/v3/repos/admin/signed/${path}`, {
        headers: { authorization: `Bearer ${host.server.token}`, ...(tag === null ? {} : { 'if-none-match': tag }) },
      })
    const tags = await Promise.all(paths.map(async (path) => (await ask(path, null)).headers.get('etag')))
    const statuses = async () => await Promise.all(paths.map(async (path, i) => (await ask(path, tags[i] ?? null)).status))
    assert.deepEqual(await statuses(), [304, 304, 304])
    const { data: made } = await rest(ann.token).users.createSshSigningKeyForAuthenticatedUser({ title: 'k', key: key.line })
    assert.deepEqual(await statuses(), [200, 200, 200])
    const reasons = async () => [
      (await rest().git.getCommit({ ...at, commit_sha: oid })).data.verification.reason,
      (await rest().repos.getCommit({ ...at, ref: oid })).data.commit.verification?.reason,
      (await rest().repos.compareCommits({ ...at, base: 'start', head: oid })).data.commits.at(-1)?.commit.verification?.reason,
    ]
    assert.deepEqual(await reasons(), ['valid', 'valid', 'valid'])
    assert.deepEqual(await reasons(), ['valid', 'valid', 'valid'])
    await rest(ann.token).users.deleteSshSigningKeyForAuthenticatedUser({ ssh_signing_key_id: made.id })
    assert.deepEqual(await reasons(), ['unknown_key', 'unknown_key', 'unknown_key'])
  })
})

describe('keys that users sign with', lacking('ssh-keygen'), () => {
  it('of SSH are listed for everybody, and are somebody’s own to add and to take away', async () => {
    const bob = await forks.account('bob')
    const { line } = await sshKey('id-listed')
    const { data: made } = await rest(bob.token).users.createSshSigningKeyForAuthenticatedUser({ title: 'laptop', key: line })
    assert.deepEqual([made.title, made.key], ['laptop', line.split(' ').slice(0, 2).join(' ')])
    assert.deepEqual((await rest(bob.token).users.listSshSigningKeysForAuthenticatedUser()).data, [made])
    assert.deepEqual((await rest().users.listSshSigningKeysForUser({ username: 'bob' })).data, [made])
    assert.deepEqual((await rest(bob.token).users.getSshSigningKeyForAuthenticatedUser({ ssh_signing_key_id: made.id })).data, made)
    assert.equal((await refusal(rest(ann.token).users.getSshSigningKeyForAuthenticatedUser({ ssh_signing_key_id: made.id }))).status, 404)
    assert.equal(
      (await refusal(rest(ann.token).users.deleteSshSigningKeyForAuthenticatedUser({ ssh_signing_key_id: made.id }))).status,
      404,
    )
    // the same key with another user: it lets nobody in
    await rest(ann.token).users.createSshSigningKeyForAuthenticatedUser({ title: 'mine', key: line })
    const refused = async (body: unknown) => {
      const answer = await host.server.api('POST', '/api/v3/user/ssh_signing_keys', body, bob.token)
      return [answer.status, answer.body.errors?.[0]?.code]
    }
    assert.deepEqual(await refused({ key: line }), [422, 'already_exists'])
    for (const key of ['', 'x', 'ssh-ed25519 AAAA', `ssh-dss ${'A'.repeat(40)}`, `${line}${line}`])
      assert.deepEqual(await refused({ key }), [422, 'invalid'])
    const rows = await db.queries
      .selectFrom('audit')
      .select('action')
      .where('owner_id', '=', bob.id)
      .where('action', 'like', 'signing-key.%')
      .execute()
    assert.deepEqual(rows, [{ action: 'signing-key.create' }])
  })
})

describe('signatures of OpenPGP', lacking('gpg'), () => {
  const gpg = async (args: readonly string[], input?: string, mayFail = false) => {
    const options = {
      env: { PATH: process.env.PATH ?? '', GNUPGHOME: gnupg, LC_ALL: 'C.UTF-8' },
      ...(input === undefined ? {} : { input }),
    }
    const { code, stdout, stderr } = await runProcess(
      'gpg',
      ['--batch', '--yes', '--pinentry-mode', 'loopback', '--passphrase', '', ...args],
      options,
    )
    if (code !== 0 && !mayFail) throw new Error(`gpg ${args.join(' ')}: ${stderr}`)
    return stdout
  }
  /** A new key; its fingerprint. */
  const newKey = async (name: string, algorithm: string, usage: string, expire: string) => {
    await gpg(['--quick-gen-key', `${name} <${annEmail}>`, algorithm, usage, expire])
    return /^fpr:+([0-9A-F]+):/m.exec(await gpg(['--with-colons', '--list-keys', name]))?.[1] ?? assert.fail('no key')
  }
  const exported = (fingerprint: string) => gpg(['--armor', '--export', fingerprint])
  const sign = (fingerprint: string, email = annEmail) =>
    signedCommit(['-c', 'gpg.format=openpgp', '-c', `user.signingKey=${fingerprint}!`], email, { GNUPGHOME: gnupg })
  const add = async (fingerprint: string) =>
    (await rest(ann.token).users.createGpgKeyForAuthenticatedUser({ name: 'k', armored_public_key: await exported(fingerprint) })).data
  const branch = async (name: string) => git.run(['push', '-q', '--force', url, `HEAD:refs/heads/${name}`], { cwd: work })

  it('by keys of every kind and by subkeys, of commits and tags', async () => {
    for (const algorithm of ['ed25519', 'rsa3072', 'nistp256']) {
      const key = await newKey(`plain-${algorithm}`, algorithm, 'sign', 'never')
      const oid = await sign(key)
      await git.run(['tag', '-f', '-m', 'by gpg', '-u', `${key}!`, `gpg-${algorithm}`], {
        cwd: work,
        env: { ...committer(annEmail), GNUPGHOME: gnupg },
      })
      await git.run(['push', '-q', url, `HEAD:refs/heads/${algorithm}`, `gpg-${algorithm}`], { cwd: work })
      assert.equal(await verdict(oid), 'unknown_key')
      const made = await add(key)
      assert.deepEqual([made.key_id, made.emails], [key.slice(-16), [{ email: annEmail, verified: true }]])
      assert.deepEqual([made.can_sign, made.can_certify, made.revoked, made.expires_at], [true, true, false, null])
      assert.equal(await verdict(oid), 'valid', algorithm)
      const tag = await rest().git.getTag({ ...at, tag_sha: await git.read(['rev-parse', `gpg-${algorithm}`], { cwd: work }) })
      assert.equal(tag.data.verification?.reason, 'valid')
      const other = await sign(key, 'somebody@example.com')
      const tampered = await rewritten(oid, (text) => text.replace('with words', 'with worms'))
      await git.run(['push', '-q', url, `${other}:refs/heads/${algorithm}-other`, `${tampered}:refs/heads/${algorithm}-bad`], { cwd: work })
      assert.deepEqual([await verdict(other), await verdict(tampered)], ['bad_email', 'invalid'])
    }
    const key = await newKey('with subkey', 'ed25519', 'cert', 'never')
    await gpg(['--quick-add-key', key, 'ed25519', 'sign', 'never'])
    await gpg(['--quick-add-key', key, 'cv25519', 'encr', 'never'])
    const subkey =
      [...(await gpg(['--with-colons', '--list-keys', key])).matchAll(/^fpr:+([0-9A-F]+):/gm)][1]?.[1] ?? assert.fail('no subkey')
    const oid = await sign(subkey)
    await branch('subkey')
    const made = await add(key)
    assert.deepEqual(
      made.subkeys.map(({ can_sign, can_encrypt_comms }) => [can_sign, can_encrypt_comms]),
      [
        [true, false],
        [false, true],
      ],
    )
    assert.equal(await verdict(oid), 'valid')
    assert.deepEqual((await rest().users.listGpgKeysForUser({ username: 'ann' })).data.at(-1), made)
    await rest(ann.token).users.deleteGpgKeyForAuthenticatedUser({ gpg_key_id: made.id })
    assert.equal(await verdict(oid), 'unknown_key')
  })

  it('by a key that has expired since, one that was revoked, and one that may not sign', async () => {
    const past = '20240101T000000'
    await gpg(['--faked-system-time', past, '--quick-gen-key', `expired <${annEmail}>`, 'ed25519', 'sign', '1d'])
    const expired = /^fpr:+([0-9A-F]+):/m.exec(await gpg(['--with-colons', '--list-keys', 'expired']))?.[1] ?? ''
    const program = host.folder.join('gpg-then')
    writeFileSync(program, `#!/bin/sh\nexec gpg --faked-system-time 20240101T010000 "$@"\n`, { mode: 0o755 })
    const old = await signedCommit(['-c', `gpg.program=${program}`, '-c', `user.signingKey=${expired}!`], annEmail, { GNUPGHOME: gnupg })
    await branch('expired')
    const made = await add(expired)
    assert.equal(made.expires_at, '2024-01-02T00:00:00.000Z')
    assert.equal(await verdict(old), 'expired_key')
    // renewed: what was signed before counts again
    await rest(ann.token).users.deleteGpgKeyForAuthenticatedUser({ gpg_key_id: made.id })
    await gpg(['--quick-set-expire', expired, '0'])
    await add(expired)
    assert.equal(await verdict(old), 'valid')

    const revoked = await newKey('revoked', 'ed25519', 'sign', 'never')
    const before = await sign(revoked)
    await branch('revoked')
    const good = await add(revoked)
    assert.equal(await verdict(before), 'valid')
    const certificate = readFileSync(`${gnupg}/openpgp-revocs.d/${revoked}.rev`, 'utf8').replace(':-----BEGIN', '-----BEGIN')
    await gpg(['--import'], certificate)
    await rest(ann.token).users.deleteGpgKeyForAuthenticatedUser({ gpg_key_id: good.id })
    assert.equal((await add(revoked)).revoked, true)
    assert.equal(await verdict(before), 'invalid')
  })

  it('several at once, or none at all, are malformed', async () => {
    const key = await newKey('several', 'ed25519', 'sign', 'never')
    await add(key)
    const good = await sign(key)
    const twice = await rewritten(good, (text) => text.replace(/(gpgsig [\s\S]+?END PGP SIGNATURE-----\n(?: \n)?)/, '$1$1'))
    const noise = await rewritten(good, (text) => text.replace(/(BEGIN PGP SIGNATURE-----\n \n )[A-Za-z0-9]{8}/, '$1AAAAAAAA'))
    await git.run(['push', '-q', url, `${good}:refs/heads/one`, `${twice}:refs/heads/twice`, `${noise}:refs/heads/noise`], { cwd: work })
    assert.deepEqual(
      [await verdict(good), await verdict(twice), await verdict(noise)],
      ['valid', 'malformed_signature', 'malformed_signature'],
    )
  })

  it('keys that are none, private, several, or of weak kinds are refused with words', async () => {
    const key = await newKey('private', 'ed25519', 'sign', 'never')
    const secret = await gpg(['--armor', '--export-secret-keys', key])
    const dsa = await newKey('weak', 'dsa2048', 'sign', 'never')
    const refused = async (text: string) => {
      const { status, body } = await host.server.api('POST', '/api/v3/user/gpg_keys', { armored_public_key: text }, ann.token)
      assert.equal(status, 422, JSON.stringify(body))
      return `${body.errors?.[0]?.field} ${body.errors?.[0]?.message}`
    }
    assert.match(await refused('words'), /armored_public_key .*gpg --armor --export/)
    assert.match(await refused(secret), /private key: whoever has seen it/)
    assert.match(await refused(await gpg(['--armor', '--export', key, dsa])), /One key at a time/)
    assert.match(await refused(await exported(dsa)), /algorithm dsa/)
    assert.match(
      await refused(`-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${'A'.repeat(140_000)}\n-----END PGP PUBLIC KEY BLOCK-----`),
      /at most/,
    )
  })
})
