// Signatures checked in a worker: it reads who says that he signed, asks for those keys, and checks.
import { createHash } from 'node:crypto'
import type { MessagePort } from 'node:worker_threads'
import { answerJob, InputError, MessageStream, type WorkerPool } from '../../base/index.ts'
import { signatureKind } from '../format/signed-object.ts'
import { parseSshSignature } from '../format/ssh-signature.ts'
import { inspectOpenPgpKey, type KeyOutcome, openPgpIssuer, verifyOpenPgp } from './openpgp.ts'
import { type SshVerifyKey, verifySsh } from './verify-ssh.ts'

export interface SignedText {
  readonly signature: string
  readonly payload: Uint8Array
}

/** Who says that he signed. Ids in hex. */
export type Signer =
  | { readonly kind: 'ssh'; readonly fingerprint: string }
  | { readonly kind: 'openpgp'; readonly keyId: string }
  | { readonly kind: 'fault'; readonly reason: 'malformed_signature' | 'unknown_signature_type' }

export type VerifyKey = { readonly kind: 'ssh'; readonly key: SshVerifyKey } | { readonly kind: 'openpgp'; readonly armored: string }

export interface SignatureJob {
  readonly texts: readonly SignedText[]
  readonly nowMs: number
}

/** In a worker. */
export async function signatureJob(job: SignatureJob, port: MessagePort): Promise<void> {
  await answerJob<readonly (readonly VerifyKey[])[]>(port, async (main) => {
    main.send(await Promise.all(job.texts.map(({ signature }) => readSigner(signature))))
    const keys = await main.message()
    const outcomes: KeyOutcome[][] = []
    for (const [place, text] of job.texts.entries()) {
      const own: KeyOutcome[] = []
      for (const key of keys[place] ?? []) own.push(await outcomeOf(text, key, job.nowMs))
      outcomes.push(own)
    }
    main.send(outcomes)
  })
}

async function readSigner(signature: string): Promise<Signer> {
  const kind = signatureKind(signature)
  if (kind !== 'ssh' && kind !== 'openpgp') return { kind: 'fault', reason: 'unknown_signature_type' }
  try {
    if (kind === 'openpgp') return { kind, keyId: await openPgpIssuer(signature) }
    return { kind, fingerprint: createHash('sha256').update(parseSshSignature(signature).publicKey).digest('hex') }
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return { kind: 'fault', reason: 'malformed_signature' }
  }
}

async function outcomeOf({ signature, payload }: SignedText, key: VerifyKey, nowMs: number): Promise<KeyOutcome> {
  const invalid: KeyOutcome = { outcome: 'invalid', madeAt: null, until: null }
  try {
    if (key.kind === 'openpgp') return await verifyOpenPgp(signature, payload, key.armored, nowMs)
    return { ...invalid, outcome: verifySsh(parseSshSignature(signature), key.key, payload) ? 'valid' : 'invalid' }
  } catch (error) {
    if (error instanceof InputError) return invalid
    throw error
  }
}

/**
 * The outcomes of each text for each of its keys, and who says that he signed.
 * @param keysOf finds those keys. Throws what it throws, and UnavailableError
 */
export async function runSignatures(
  workers: Pick<WorkerPool, 'run'>,
  job: SignatureJob,
  keysOf: (signers: readonly Signer[]) => Promise<readonly (readonly VerifyKey[])[]>,
  signal: AbortSignal,
): Promise<readonly (readonly KeyOutcome[])[]> {
  return await workers.run(
    'signatures',
    job,
    [],
    async (port) => {
      const worker = new MessageStream<readonly Signer[] | readonly (readonly KeyOutcome[])[]>(port)
      const signers = (await worker.message()) as readonly Signer[]
      worker.send(await keysOf(signers))
      return (await worker.message()) as readonly (readonly KeyOutcome[])[]
    },
    signal,
  )
}

/** In a worker: what a key says of itself. */
export async function gpgKeyJob(job: { readonly text: string }, port: MessagePort): Promise<void> {
  await answerJob(port, async (main) => main.send(await inspectOpenPgpKey(job.text)))
}
