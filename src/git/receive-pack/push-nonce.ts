// Nonces of signed pushes (git-config(1), receive.certNonceSeed): a time and an HMAC over repository and time, so that any node that has the
// seed can tell later that one of them gave it out, and when. `1700000000-<hex>`.
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ObjectFormat } from '../format/object-id.ts'

export interface NonceIssuer {
  /** receive.certNonceSeed; null: no nonces are given out. */
  readonly seed: string | null
  /** Told apart from every other repository that has the same seed. */
  readonly repository: string
  readonly format: ObjectFormat
  /** receive.certNonceSlop, in seconds: so old a nonce counts as fresh. 0: none does but one of this very second. */
  readonly slopS: number
  /** The one that was given out on the same line: no other one counts, and that one at any time. */
  readonly issued?: string | null
}

/** In git's words (githooks(5), GIT_PUSH_CERT_NONCE_STATUS). */
export type NonceStatus = 'OK' | 'SLOP' | 'BAD' | 'UNSOLICITED' | 'MISSING'

export interface NonceVerdict {
  readonly status: NonceStatus
  /** What was expected: the certificate's own when that is OK. Null without a seed. */
  readonly nonce: string | null
  /** How many seconds ago it was given out; negative: by a node whose clock is ahead. Null where it isn't ours. */
  readonly slopS: number | null
}

/** Null when no nonces are given out. @param nowS seconds since 1970 */
export function makeNonce({ seed, repository, format }: NonceIssuer, nowS: number): string | null {
  if (seed === null) return null
  return `${nowS}-${createHmac(format, seed).update(`${repository}:${nowS}`).digest('hex')}`
}

/** @param nonce what the certificate says; null: it says nothing */
export function checkNonce(issuer: NonceIssuer, nonce: string | null, nowS: number): NonceVerdict {
  const fresh = makeNonce(issuer, nowS)
  if (nonce === null) return { status: 'MISSING', nonce: fresh, slopS: null }
  if (fresh === null) return { status: 'UNSOLICITED', nonce: null, slopS: null }
  if (issuer.issued !== undefined) {
    return nonce === issuer.issued ? { status: 'OK', nonce, slopS: 0 } : { status: 'BAD', nonce: issuer.issued, slopS: null }
  }
  const stamp = /^([1-9][0-9]{0,14})-/.exec(nonce)?.[1]
  const expected = stamp === undefined ? null : makeNonce(issuer, Number(stamp))
  if (expected === null || !isSame(expected, nonce)) return { status: 'BAD', nonce: fresh, slopS: null }
  const slopS = nowS - Number(stamp)
  if (slopS === 0 || (issuer.slopS > 0 && Math.abs(slopS) <= issuer.slopS)) return { status: 'OK', nonce, slopS }
  return { status: 'SLOP', nonce: fresh, slopS }
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
