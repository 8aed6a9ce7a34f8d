// Passwords: argon2id (RFC 9106) as PHC strings, `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`. Never compared but by their hashes, in constant time; what has
// none takes the same work. Memory is bounded by how many are worked out at one time.
import { argon2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { InputError, Places, type Randomness, UnavailableError, utf8 } from '../base/index.ts'

const derive = promisify(argon2)

interface Parameters {
  /** KiB */
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
}

const present: Parameters = { memory: 19_456, passes: 2, parallelism: 1 }
const saltBytes = 16
const hashBytes = 32
const usual = { atOnce: 2, mostWaiting: 64 }

/** Whether a password was right, and whether its hash should be made anew, with today's parameters. */
export interface PasswordVerdict {
  readonly isRight: boolean
  readonly isOld: boolean
}

/** Lives as long as the server. */
export class Passwords {
  readonly #randomness: Randomness
  readonly #places: Places
  readonly #mostWaiting: number
  #waiting = 0

  constructor(randomness: Randomness, { atOnce, mostWaiting } = usual) {
    this.#randomness = randomness
    this.#places = new Places(atOnce)
    this.#mostWaiting = mostWaiting
  }

  /** What is stored of a password. */
  async hash(password: string): Promise<string> {
    const salt = this.#randomness.bytes(saltBytes)
    const hash = await this.#derive(password, salt, present)
    const { memory, passes, parallelism } = present
    return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(hash)}`
  }

  /** @param stored null: there is no such login, or it has no password; that takes as long */
  async verify(password: string, stored: string | null): Promise<PasswordVerdict> {
    const known = stored === null ? null : parse(stored)
    if (known === null) {
      await this.#derive(password, new Uint8Array(saltBytes), present)
      return { isRight: false, isOld: false }
    }
    const hash = await this.#derive(password, known.salt, known)
    const isOld = known.memory !== present.memory || known.passes !== present.passes || known.parallelism !== present.parallelism
    return { isRight: hash.length === known.hash.length && timingSafeEqual(hash, known.hash), isOld }
  }

  async #derive(password: string, salt: Uint8Array, { memory, passes, parallelism }: Parameters): Promise<Uint8Array> {
    if (this.#waiting >= this.#mostWaiting) throw new UnavailableError('too-many-sign-ins', 'too many passwords are being checked at once')
    this.#waiting++
    const free = await this.#places.take()
    try {
      return await derive('argon2id', { message: utf8(password), nonce: salt, memory, passes, parallelism, tagLength: hashBytes })
    } finally {
      free()
      this.#waiting--
    }
  }
}

/** InputError `weak-password`. */
export function assertPassword(password: string, login: string): void {
  const sizeBytes = utf8(password).length
  if (sizeBytes < 8 || sizeBytes > 1024) throw new InputError('weak-password', 'A password has 8 to 1024 bytes; a sentence is a good one')
  if (password.toLowerCase() === login.toLowerCase()) throw new InputError('weak-password', 'A password is not the login itself')
}

function parse(stored: string): (Parameters & { readonly salt: Uint8Array; readonly hash: Uint8Array }) | null {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(stored)
  if (match === null) return null
  const [, memory, passes, parallelism, salt = '', hash = ''] = match
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}
