// What GIT_PUSH_CERT and its like tell a hook about a signed push (git-receive-pack(1)): who signed it as gpg sees it, and what the server made
// of the nonce. The certificate itself is kept as a blob.
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HookCertificate } from '../../../src/git/receive-pack/push-hooks.ts'
import type { Environment } from './disk-hooks.ts'
import { git } from './git-process.ts'
import type { DiskPlace } from './place.ts'

const signatureStart = '-----BEGIN PGP SIGNATURE-----'

export async function certificateEnvironment(
  place: DiskPlace,
  certificate: HookCertificate,
  environment: Environment,
): Promise<Environment> {
  const bytes = Buffer.from(certificate.bytes)
  const oid = (await git(place, ['hash-object', '-w', '--stdin'], { input: bytes })).toString().trim()
  const { status, signer, key } = await verify(bytes, environment)
  const nonce = /^nonce (.*)$/m.exec(bytes.toString('latin1'))?.[1]
  const { status: nonceStatus, slopS, nonce: expected } = certificate.nonce
  return {
    GIT_PUSH_CERT: oid,
    GIT_PUSH_CERT_SIGNER: signer,
    GIT_PUSH_CERT_KEY: key,
    GIT_PUSH_CERT_STATUS: status,
    ...(expected === null && nonce === undefined ? {} : { GIT_PUSH_CERT_NONCE: nonce ?? '', GIT_PUSH_CERT_NONCE_STATUS: nonceStatus }),
    ...(nonceStatus === 'SLOP' && slopS !== null ? { GIT_PUSH_CERT_NONCE_SLOP: String(slopS) } : {}),
  }
}

/** As git reads gpg's status lines: G good, B bad, E can't tell, N no signature. */
async function verify(certificate: Buffer, environment: Environment): Promise<{ status: string; signer: string; key: string }> {
  const at = certificate.indexOf(signatureStart)
  if (at < 0) return { status: 'N', signer: '', key: '' }
  const folder = await mkdtemp(join(tmpdir(), 'bridge-cert-'))
  try {
    const file = join(folder, 'signature')
    await writeFile(file, certificate.subarray(at))
    const child = spawn('gpg', ['--status-fd=1', '--keyid-format=long', '--verify', file, '-'], {
      env: { ...environment },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.stdin.on('error', () => {})
    child.stdin.end(certificate.subarray(0, at))
    await once(child, 'close').catch(() => {}) // no gpg: nothing was said
    const found = /^\[GNUPG:\] (GOODSIG|BADSIG|EXPSIG|EXPKEYSIG|REVKEYSIG) (\S+) (.*)$/m.exec(said)
    if (!found) return { status: /\[GNUPG:\] ERRSIG/.test(said) ? 'E' : 'N', signer: '', key: '' }
    const letter = { GOODSIG: 'G', BADSIG: 'B', EXPSIG: 'X', EXPKEYSIG: 'Y', REVKEYSIG: 'R' }[found[1] as 'GOODSIG']
    return { status: letter, key: found[2] as string, signer: found[3] as string }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
