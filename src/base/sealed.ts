// Secrets that must be given to others as they are (a webhook's key, a mirror's password) are sealed with a key that isn't in the database:
// a copy of the database alone tells nothing. AES-256-GCM; `sealed:1:` key id `:` base64url(nonce 12 | ciphertext | tag 16). What it is for is
// authenticated, too: a text that was sealed for one purpose doesn't open for another.
import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto'
import type { Randomness } from './clock.ts'
import { CorruptError, UnavailableError } from './errors.ts'

const prefix = 'sealed:1:'
const nonceBytes = 12
const tagBytes = 16

export function isSealed(text: string): boolean {
  return text.startsWith(prefix)
}

/** Seals and opens with one key. */
export class Sealer {
  /** Tells keys apart, and nothing of the key. */
  readonly keyId: string
  readonly #key: Uint8Array
  readonly #randomness: Randomness

  /** @param secret the server's key: 32 random bytes, or a text that is as hard to guess */
  constructor(secret: Uint8Array, randomness: Randomness) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', 'stemma sealed secrets', 32))
    this.keyId = createHash('sha256').update('stemma key id').update(this.#key).digest('hex').slice(0, 12)
    this.#randomness = randomness
  }

  /** @param purpose what alone it opens for */
  seal(text: string, purpose: string): string {
    const nonce = this.#randomness.bytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(purpose))
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return `${prefix}${this.keyId}:${sealed.toString('base64url')}`
  }

  /** @throws UnavailableError `other-key` when this server has another key than who sealed it; CorruptError `sealed` when it was changed */
  open(sealed: string, purpose: string): string {
    const [keyId, body] = sealed.startsWith(prefix) ? sealed.slice(prefix.length).split(':') : []
    if (keyId === undefined || body === undefined) throw new CorruptError('sealed', 'a secret is not sealed as this server does it')
    if (keyId !== this.keyId) {
      throw new UnavailableError('other-key', `a secret is sealed with the key ${keyId}, and this server's secretKey is ${this.keyId}`)
    }
    const bytes = Buffer.from(body, 'base64url')
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
      decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(-tagBytes))
      return decipher.update(bytes.subarray(nonceBytes, -tagBytes), undefined, 'utf8') + decipher.final('utf8')
    } catch (cause) {
      throw new CorruptError('sealed', 'a sealed secret was changed, or sealed for something else', { cause })
    }
  }
}
