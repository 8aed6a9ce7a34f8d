// One-time codes: HOTP (RFC 4226) counted by time (RFC 6238), as authenticator apps make them: SHA-1, six digits, thirty seconds.
import { createHmac } from 'node:crypto'

export const stepSeconds = 30
const digits = 6

/** RFC 4226 §5.3. */
export function hotp(secret: Uint8Array, counter: number, length = digits): string {
  const message = Buffer.alloc(8)
  message.writeBigUInt64BE(BigInt(counter))
  const mac = createHmac('sha1', secret).update(message).digest()
  const at = (mac[mac.length - 1] as number) & 0xf
  const number = mac.readUInt32BE(at) & 0x7fff_ffff
  return String(number % 10 ** length).padStart(length, '0')
}

/** Which step of time a moment falls into. */
export function stepAt(nowMs: number): number {
  return Math.floor(nowMs / 1000 / stepSeconds)
}

/** The step whose code that is: the present one, or the one before or after it, for clocks that are a little off; null: none of them. */
export function stepOf(secret: Uint8Array, code: string, nowMs: number): number | null {
  const now = stepAt(nowMs)
  return [now, now - 1, now + 1].find((step) => step >= 0 && hotp(secret, step) === code) ?? null
}

/** What looks like a code of an app. */
export function isCode(text: string): boolean {
  return /^\d{6}$/.test(text)
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** RFC 4648 §6, without padding. */
export function base32(bytes: Uint8Array): string {
  let text = ''
  let [held, bits] = [0, 0]
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    for (; bits >= 5; bits -= 5) text += alphabet[(held >> (bits - 5)) & 31]
    held &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + alphabet[(held << (5 - bits)) & 31]
}

/** What an app scans (Key Uri Format). */
export function keyUri(secret: Uint8Array, { issuer, login }: { readonly issuer: string; readonly login: string }): string {
  const query = new URLSearchParams({
    secret: base32(secret),
    issuer,
    algorithm: 'SHA1',
    digits: String(digits),
    period: String(stepSeconds),
  })
  return `otpauth://totp/${encodeURIComponent(issuer)}:${encodeURIComponent(login)}?${query.toString()}`
}
