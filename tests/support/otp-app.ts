// An app that makes one-time codes, as users have it.
import { hotp, stepAt } from '../../src/sign-in/format/totp.ts'

/** An app that has scanned that: its code now, or some steps from now. */
export function appOf(uri: string, now: () => number = Date.now): (ahead?: number) => string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const letters = (new URL(uri).searchParams.get('secret') ?? '').split('')
  const bits = letters.map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const secret = Uint8Array.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
  return (ahead = 0) => hotp(secret, stepAt(now()) + ahead)
}
