// Whose the signatures of commits and tags are: the verdict on each, in GitHub's words. Keys and addresses are asked for every time, so that whoever takes a key
// away has taken its verdicts away; what is kept is what can't change: who a signature names, and whether a key made it.
import { findSigningKeys, readSigningVersion, decodeSshKey, type GpgFacts, type SigningCandidate } from '../../access/index.ts'
import { type Clock, MessageStream, Places, UnavailableError, type WorkerPool } from '../../base/index.ts'
import type { Queries } from '../../db/index.ts'
import type { KeyOutcome } from './openpgp.ts'
import { runSignatures, type Signer, type SignedText, type VerifyKey } from './verify-job.ts'

export type VerificationReason =
  | 'valid'
  | 'unsigned'
  | 'unknown_key'
  | 'unknown_signature_type'
  | 'malformed_signature'
  | 'invalid'
  | 'expired_key'
  | 'not_signing_key'
  | 'no_user'
  | 'bad_email'
  | 'unverified_email'
  | 'gpgverify_unavailable'

export interface Verification {
  readonly verified: boolean
  readonly reason: VerificationReason
  /** Since when it can be known: the key was added, or the signature made, whichever is later; null: it isn't verified. */
  readonly verifiedAt: Date | null
  /** False: time alone may make it another one, without any change of keys and addresses. */
  readonly isLasting: boolean
}

/** A commit or a tag. */
export interface SignedObject {
  readonly oid: string
  readonly signature: string | null
  /** What is signed. */
  readonly payload: Uint8Array | null
  /** Of the committer or the tagger; null: it names none. */
  readonly email: string | null
}

export interface SignatureVerifierParts {
  readonly queries: Queries
  readonly workers: Pick<WorkerPool, 'run'>
  readonly clock: Clock
}

/** Larger ones aren't looked at: a commit with a signature has a page of text. */
const mostPayloadBytes = 4 << 20
/** Of users who have the same key: those whose address fits come first. */
const mostCandidates = 4
const mostKept = 20_000
const jobsAtOnce = 4
const timeLimitMs = 20_000
const verdict = (reason: VerificationReason, isLasting = true): Verification => ({ verified: false, reason, verifiedAt: null, isLasting })
export const unsigned = verdict('unsigned')

export class SignatureVerifier {
  readonly #parts: SignatureVerifierParts
  readonly #places = new Places(jobsAtOnce)
  /** By the object. */
  readonly #signers = new Kept<Signer>()
  /** By the object and the key. */
  readonly #outcomes = new Kept<KeyOutcome>()

  constructor(parts: SignatureVerifierParts) {
    this.#parts = parts
  }

  /** A verdict for each, in order. What can't be found out now (no worker, too slow) is `gpgverify_unavailable`; without a database UnavailableError. */
  async verify(objects: readonly SignedObject[]): Promise<Verification[]> {
    const signed = objects.filter(isLookedAt)
    if (signed.length === 0) return objects.map(early)
    const known = await this.#fromKept(signed)
    const verdicts = new Map(known)
    const open = signed.filter(({ oid }) => !known.has(oid))
    if (open.length > 0) for (const [oid, one] of await this.#fromWorker(open)) verdicts.set(oid, one)
    return objects.map((object) => verdicts.get(object.oid) ?? early(object))
  }

  /** Grows with every change of keys and addresses. */
  async version(): Promise<number> {
    return await readSigningVersion(this.#parts.queries)
  }

  async #fromKept(signed: readonly Looked[]): Promise<Map<string, Verification>> {
    const known = signed.flatMap((object) => {
      const signer = this.#signers.get(object.oid)
      return signer ? [{ object, signer }] : []
    })
    const candidates = await this.#candidatesOf(known.map(({ signer }) => signer))
    const verdicts = new Map<string, Verification>()
    for (const [place, { object, signer }] of known.entries()) {
      const own = fitting(candidates[place] ?? [], object)
      const outcomes = own.map((candidate) => this.#keptOutcome(object, candidate))
      if (outcomes.every((outcome) => outcome !== undefined)) verdicts.set(object.oid, judge(object, signer, own, outcomes))
    }
    return verdicts
  }

  #keptOutcome({ oid }: SignedObject, candidate: SigningCandidate): KeyOutcome | undefined {
    const outcome = this.#outcomes.get(`${oid} ${keyName(candidate)}`)
    const until = outcome?.until ?? Number.POSITIVE_INFINITY
    return until <= this.#parts.clock.now() ? undefined : outcome
  }

  async #fromWorker(open: readonly Looked[]): Promise<Map<string, Verification>> {
    const late = AbortSignal.timeout(timeLimitMs)
    const free = await this.#places.take()
    let signers: readonly Signer[] = []
    let candidates: readonly (readonly SigningCandidate[])[] = []
    try {
      const texts: SignedText[] = open.map(({ signature, payload }) => ({ signature, payload }))
      const keysOf = async (found: readonly Signer[]) => {
        signers = found
        const all = await this.#candidatesOf(found)
        candidates = open.map((object, place) => fitting(all[place] ?? [], object))
        return candidates.map((own) => own.map(verifyKey))
      }
      const outcomes = await runSignatures(this.#parts.workers, { texts, nowMs: this.#parts.clock.now() }, keysOf, late)
      return new Map(
        open.map((object, place) => [object.oid, this.#keep(object, signers[place], candidates[place] ?? [], outcomes[place] ?? [])]),
      )
    } catch (error) {
      const isLate = late.aborted || (error instanceof UnavailableError && error.code === 'worker')
      if (!isLate) throw error
      return new Map(open.map(({ oid }) => [oid, verdict('gpgverify_unavailable', false)]))
    } finally {
      free()
    }
  }

  #keep(
    object: Looked,
    signer: Signer | undefined,
    candidates: readonly SigningCandidate[],
    outcomes: readonly KeyOutcome[],
  ): Verification {
    if (!signer) return verdict('gpgverify_unavailable', false)
    this.#signers.set(object.oid, signer)
    for (const [place, outcome] of outcomes.entries()) {
      const candidate = candidates[place]
      if (candidate) this.#outcomes.set(`${object.oid} ${keyName(candidate)}`, outcome)
    }
    return judge(object, signer, candidates, outcomes)
  }

  async #candidatesOf(signers: readonly Signer[]): Promise<readonly (readonly SigningCandidate[])[]> {
    const fingerprints = [...new Set(signers.flatMap((signer) => (signer.kind === 'ssh' ? [signer.fingerprint] : [])))]
    const keyIds = [...new Set(signers.flatMap((signer) => (signer.kind === 'openpgp' ? [signer.keyId] : [])))]
    const { byFingerprint, byKeyId } = await findSigningKeys(this.#parts.queries, { fingerprints, keyIds })
    return signers.map((signer) => {
      if (signer.kind === 'fault') return []
      return (signer.kind === 'ssh' ? byFingerprint.get(signer.fingerprint) : byKeyId.get(signer.keyId)) ?? []
    })
  }
}

type Looked = SignedObject & { readonly signature: string; readonly payload: Uint8Array }

function isLookedAt(object: SignedObject): object is Looked {
  return object.signature !== null && object.payload !== null && object.payload.length <= mostPayloadBytes
}

function early({ signature }: SignedObject): Verification {
  return signature === null ? unsigned : verdict('malformed_signature')
}

function fits({ email, isEmailVerified }: SigningCandidate, object: SignedObject): number {
  const isSame = email !== null && email.toLowerCase() === object.email?.toLowerCase()
  return isSame ? (isEmailVerified ? 2 : 1) : 0
}

function fitting(candidates: readonly SigningCandidate[], object: SignedObject): readonly SigningCandidate[] {
  return candidates.toSorted((a, b) => fits(b, object) - fits(a, object)).slice(0, mostCandidates)
}

function keyName({ id, material }: SigningCandidate): string {
  return `${material.kind} ${id}`
}

function verifyKey({ material }: SigningCandidate): VerifyKey {
  if (material.kind === 'gpg') return { kind: 'openpgp', armored: material.armored }
  const { type, key, application } = decodeSshKey(material.blob)
  return { kind: 'ssh', key: { type, der: new Uint8Array(key.export({ type: 'spki', format: 'der' })), application } }
}

function judge(
  object: SignedObject,
  signer: Signer,
  candidates: readonly SigningCandidate[],
  outcomes: readonly KeyOutcome[],
): Verification {
  if (signer.kind === 'fault') return verdict(signer.reason)
  if (candidates.length === 0) return verdict('unknown_key')
  const good = candidates.findIndex((_, place) => outcomes[place]?.outcome === 'valid') // those whose address fits come first
  const isLasting = outcomes.every(({ until }) => until === null)
  const [candidate, outcome] = [candidates[good], outcomes[good]]
  if (!candidate || !outcome) return verdict(outcomes[0]?.outcome ?? 'invalid', isLasting)
  if ((object.email ?? '') === '') return verdict('no_user', isLasting)
  const fit = fits(candidate, object)
  if (fit < 2) return verdict(fit === 1 ? 'unverified_email' : 'bad_email', isLasting)
  const verifiedAt = new Date(Math.max(candidate.addedAt.getTime(), outcome.madeAt ?? 0))
  return { verified: true, reason: 'valid', verifiedAt, isLasting }
}

/** The least recently used go first. */
class Kept<T> {
  readonly #values = new Map<string, T>()

  get(key: string): T | undefined {
    const value = this.#values.get(key)
    if (value === undefined) return undefined
    this.#values.delete(key)
    this.#values.set(key, value)
    return value
  }

  set(key: string, value: T): void {
    this.#values.set(key, value)
    if (this.#values.size > mostKept) this.#values.delete(this.#values.keys().next().value as string)
  }
}

/** What an OpenPGP key says of itself, read in a worker. InputError `bad-gpg-key`. */
export async function readGpgKey(workers: Pick<WorkerPool, 'run'>, text: string): Promise<GpgFacts & { readonly armored: string }> {
  const late = AbortSignal.timeout(timeLimitMs)
  return await workers.run('gpgKey', { text }, [], (port) => new MessageStream<GpgFacts & { armored: string }>(port).message(), late)
}
