// Takes a publish's document apart as it comes: base64 of tarballs goes on as it is read, everything else is kept, up to a limit, and parsed at the end. Pure.
// Strings, keys and brackets are told apart here; whether all of it is JSON says JSON.parse, which is given the document with an empty string in each tarball's place.
import { asBuffer, InputError, utf8 } from '../../base/index.ts'

/** What a document may be. */
export interface DocumentLimits {
  /** Of all but the tarballs. */
  readonly documentBytes: number
  /** Of objects and lists in each other. */
  readonly depth: number
  /** Keys, objects and lists together. */
  readonly nodes: number
}

/** Of tarballs: `_attachments.NAME.data`, in the document's order. Bytes are views, of the string's characters, escapes undone. */
export type DocumentPiece =
  | { readonly kind: 'begin'; readonly name: string }
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }

/** Which of a document's places an object is. */
type Role = 'root' | 'attachments' | 'attachment' | 'other'

interface Open {
  readonly role: Role
  /** Keys so far; null: a list. */
  readonly keys: Set<string> | null
  /** The one whose value comes, or came last. */
  key: string
}

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket, comma, colon] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d, 0x2c, 0x3a]
/** A provenance bundle is no tarball: it is JSON in a string, and small. */
const bundleEnd = '.sigstore'
const longestKeyBytes = 1024

export class DocumentSplitter {
  readonly #limits: DocumentLimits
  readonly #kept: KeptBytes
  readonly #open: Open[] = []
  #nodes = 0
  #state: 'between' | 'string' | 'key' | 'data' = 'between'
  #isKeyNext = false
  /** The last byte was a backslash that escapes the next one. */
  #isEscaped = false
  /** Of a key: where it begins in what is kept. */
  #keyAt = 0
  /** Of an escape in a tarball's string: what has come of it. */
  #escape = ''

  constructor(limits: DocumentLimits) {
    this.#limits = limits
    this.#kept = new KeptBytes(limits.documentBytes)
  }

  /** Of what has come, all but tarballs. */
  get keptBytes(): number {
    return this.#kept.sizeBytes
  }

  /** The next bytes. InputError 'bad-document', 'too-large'. */
  *push(bytes: Uint8Array): Generator<DocumentPiece, void, undefined> {
    let from = 0 // what comes from here on is kept, and isn't yet
    for (let at = 0; at < bytes.length; ) {
      if (this.#state === 'data') {
        at += yield* this.#data(bytes, at)
        from = at
        continue
      }
      if (this.#state === 'between') {
        const byte = bytes[at] as number
        at++
        if (byte !== quote) {
          this.#mark(byte)
          continue
        }
        this.#kept.add(bytes, from, at)
        from = at
        const name = this.#beginString()
        if (name !== null) yield { kind: 'begin', name }
        continue
      }
      at = this.#endOfString(bytes, at)
      if (at < 0) break
      this.#state = 'between'
      this.#kept.add(bytes, from, at)
      from = at
      if (this.#isKeyNext) this.#endKey()
    }
    if (this.#state !== 'data') this.#kept.add(bytes, from, bytes.length)
  }

  /** The document, when all has come; tarballs' data are empty strings in it. Any JSON value. InputError 'bad-document'. */
  finish(): unknown {
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.#kept.bytes())) as unknown
    } catch (cause) {
      throw new InputError('bad-document', 'The document is not JSON', { cause })
    }
  }

  /** A byte outside of strings. */
  #mark(byte: number): void {
    if (byte === openBrace || byte === openBracket) this.#enter(byte === openBrace)
    else if (byte === closeBrace || byte === closeBracket) {
      this.#open.pop()
      this.#isKeyNext = false
    } else if (byte === comma) this.#isKeyNext = (this.#open.at(-1)?.keys ?? null) !== null
    else if (byte === colon) this.#isKeyNext = false
  }

  #enter(isObject: boolean): void {
    if (this.#open.length === this.#limits.depth) throw badDocument(`has more than ${this.#limits.depth} objects and lists in each other`)
    this.#count()
    this.#open.push({ role: this.#roleOf(isObject), keys: isObject ? new Set() : null, key: '' })
    this.#isKeyNext = isObject
  }

  #roleOf(isObject: boolean): Role {
    const around = this.#open.at(-1)
    if (!isObject) return 'other'
    if (around === undefined) return 'root'
    if (around.role === 'root' && around.key === '_attachments') return 'attachments'
    return around.role === 'attachments' ? 'attachment' : 'other'
  }

  #count(): void {
    if (++this.#nodes > this.#limits.nodes) throw badDocument(`has more than ${this.#limits.nodes} keys, objects and lists`)
  }

  /** The name of the tarball, where the string is its data. */
  #beginString(): string | null {
    this.#isEscaped = false
    if (this.#isKeyNext) {
      this.#state = 'key'
      this.#keyAt = this.#kept.sizeBytes
      return null
    }
    const within = this.#open.at(-1)
    const name = this.#open.at(-2)?.key ?? ''
    const isTarball = within?.role === 'attachment' && within.key === 'data' && !name.endsWith(bundleEnd)
    this.#state = isTarball ? 'data' : 'string'
    return isTarball ? name : null
  }

  /** Walks through a string; the place behind its end, or -1: it goes on behind the bytes. */
  #endOfString(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] as number
      if (this.#isEscaped) this.#isEscaped = false
      else if (byte === backslash) this.#isEscaped = true
      else if (byte === quote) return at + 1
    }
    return -1
  }

  #endKey(): void {
    const open = this.#open.at(-1) as Open
    const text = this.#kept.bytes().subarray(this.#keyAt, this.#kept.sizeBytes - 1)
    if (text.length > longestKeyBytes) throw badDocument(`has a key of more than ${longestKeyBytes} bytes`)
    const key = text.includes(backslash) ? unescaped(asBuffer(text).toString()) : asBuffer(text).toString()
    if (key === '__proto__') throw badDocument('has a key __proto__')
    if (open.keys?.has(key) === true) throw badDocument(`has the key ${JSON.stringify(key)} twice in one object`)
    this.#count()
    open.keys?.add(key)
    open.key = key
    this.#isKeyNext = false
  }

  /** Of a tarball's string; how many bytes it was. */
  *#data(bytes: Uint8Array, from: number): Generator<DocumentPiece, number, undefined> {
    if (this.#escape !== '') return yield* this.#escaped(bytes, from)
    const end = bytes.indexOf(quote, from)
    const text = bytes.subarray(from, end < 0 ? bytes.length : end)
    const slash = text.indexOf(backslash)
    const plain = slash < 0 ? text : text.subarray(0, slash)
    if (plain.length > 0) yield { kind: 'data', bytes: plain }
    if (slash >= 0) {
      this.#escape = '\\'
      return plain.length + 1
    }
    if (end < 0) return plain.length
    this.#state = 'between'
    this.#kept.add(bytes, end, end + 1)
    yield { kind: 'end' }
    return plain.length + 1
  }

  /** `\/` is what some writers of JSON make of a slash. */
  *#escaped(bytes: Uint8Array, at: number): Generator<DocumentPiece, number, undefined> {
    this.#escape += String.fromCharCode(bytes[at] as number)
    const length = this.#escape[1] === 'u' ? 6 : 2
    if (this.#escape.length < length) return 1
    const plain = unescaped(this.#escape)
    this.#escape = ''
    yield { kind: 'data', bytes: utf8(plain) }
    return 1
  }
}

/** What is kept, in memory that grows. */
class KeptBytes {
  readonly #mostBytes: number
  #memory = new Uint8Array(4096)
  sizeBytes = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  add(bytes: Uint8Array, from: number, to: number): void {
    if (from >= to) return
    const sizeBytes = this.sizeBytes + to - from
    if (sizeBytes > this.#mostBytes)
      throw new InputError('too-large', `The document has more than ${this.#mostBytes} bytes besides its tarball`)
    if (sizeBytes > this.#memory.length) {
      const larger = new Uint8Array(Math.max(sizeBytes, 2 * this.#memory.length))
      larger.set(this.bytes())
      this.#memory = larger
    }
    this.#memory.set(bytes.subarray(from, to), this.sizeBytes)
    this.sizeBytes = sizeBytes
  }

  bytes(): Uint8Array {
    return this.#memory.subarray(0, this.sizeBytes)
  }
}

function unescaped(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string
  } catch (cause) {
    throw new InputError('bad-document', 'The document is not JSON', { cause })
  }
}

function badDocument(what: string): InputError {
  return new InputError('bad-document', `The document ${what}`)
}
