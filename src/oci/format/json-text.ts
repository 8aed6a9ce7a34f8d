// JSON that many programs will read alike. JSON.parse takes what others refuse or read in another way (the same key twice, invalid UTF-8), and builds
// whatever is asked of it: bytes are looked through before it runs, in one pass, with bounded memory. Pure: bytes in, value out.
import { InputError } from '../../base/index.ts'
import { ociError } from './errors.ts'

export interface JsonLimits {
  /** Of arrays and objects in each other. */
  readonly depth: number
  /** Commas, colons and brackets: what keys and values are counted by. */
  readonly marks: number
}

const quote = 0x22
const backslash = 0x5c
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The value. InputError 'manifest-invalid' for what isn't JSON in UTF-8, has a key twice in one object, or is beyond the limits. */
export function parseJsonText(bytes: Uint8Array, limits: JsonLimits): unknown {
  scan(bytes, limits)
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    throw ociError('manifest-invalid', 'the manifest is not UTF-8')
  }
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw ociError('manifest-invalid', 'the manifest is not JSON')
  }
}

/** Keys of the objects that are open where the scan stands; null for an array. */
type Level = Set<string> | null

function scan(bytes: Uint8Array, limits: JsonLimits): void {
  const open: Level[] = []
  let marks = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte === quote) {
      const end = endOfString(bytes, at)
      const isDescriptors = noteKey(bytes, at, end, open.at(-1)) === '"size"' && open.length <= descriptorDepth
      if (isDescriptors && isFraction(bytes, end + 1))
        throw ociError('manifest-invalid', 'a descriptor must have a size in bytes, written in digits')
      at = end
    } else if (byte === 0x7b || byte === 0x5b) {
      if (open.push(byte === 0x7b ? new Set() : null) > limits.depth) {
        throw ociError('manifest-invalid', `the manifest is nested more than ${limits.depth} deep`)
      }
    } else if (byte === 0x7d || byte === 0x5d) open.pop()
    else if (byte !== 0x2c && byte !== 0x3a) continue
    if (++marks > limits.marks) throw ociError('manifest-invalid', `the manifest has more than ${limits.marks} commas, colons and brackets`)
  }
}

/** Before JSON is parsed that anybody has written, and told on: writing it down again takes stack. InputError 'too-deep'. @param most arrays and objects in each other */
export function assertShallow(bytes: Uint8Array, most: number): void {
  let depth = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte === quote) at = endOfString(bytes, at)
    else if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === 0x7d || byte === 0x5d) depth--
    if (depth > most) throw new InputError('too-deep', `it is nested more than ${most} deep`)
  }
}

/** Where the closing quote stands; the last byte where there is none: JSON.parse then says so. */
function endOfString(bytes: Uint8Array, start: number): number {
  let at = start + 1
  for (;;) {
    at = bytes.indexOf(quote, at)
    if (at < 0) return bytes.length - 1
    let slashes = 0
    while (bytes[at - 1 - slashes] === backslash) slashes++
    if (slashes % 2 === 0) return at
    at++
  }
}

/** A string that a colon follows, in an object; null: it is none. */
function noteKey(bytes: Uint8Array, start: number, end: number, keys: Level | undefined): string | null {
  if (keys === undefined || keys === null) return null
  let next = end + 1
  while (bytes[next] === 0x20 || (bytes[next] as number) === 0x0a || bytes[next] === 0x0d || bytes[next] === 0x09) next++
  if (bytes[next] !== 0x3a) return null
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start + 1).toString('utf8')
  const key = raw.includes('\\') ? unescaped(raw) : raw
  if (keys.has(key)) throw ociError('manifest-invalid', `the manifest has a key twice in one object: ${key.slice(0, 80)}`)
  keys.add(key)
  return key
}

/** A descriptor stands in a list of the manifest, or in the manifest itself. */
const descriptorDepth = 3

/** Whether a number with a fraction or an exponent follows, behind colon and space. */
function isFraction(bytes: Uint8Array, start: number): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, Math.min(64, bytes.length - start)).toString('latin1')
  return /^\s*:\s*-?\d+[.eE]/.test(text)
}

function unescaped(raw: string): string {
  try {
    return JSON.stringify(JSON.parse(raw))
  } catch {
    return raw // no JSON: found out later
  }
}
