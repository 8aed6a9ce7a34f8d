// What a client asks receive-pack to do (gitprotocol-pack(5), Pushing data to a server): `shallow` lines, then commands
// `old SP new SP ref`, the first of them with the client's capabilities behind a NUL; a flush ends them. A signed push has its commands
// in a certificate instead, between the lines `push-cert` and `push-cert-end`.
// Invariant: what comes out is well formed; whether a ref may be moved is decided later (`refusal` says what the name alone decides).
import { concatBytes, InputError, latin1 } from '../../base/index.ts'
import { type Capability, capabilityValue, hasCapability, parseCapabilities, printable } from './capabilities.ts'
import { type ObjectFormat, type ObjectId, parseObjectId, zeroId } from './object-id.ts'
import { type PktLineReader, withoutNewline } from './pkt-line.ts'
import { type PushCertificate, parsePushCertificate } from './push-certificate.ts'
import { refusalOfPushTo } from './refname.ts'

export interface RefCommand {
  readonly action: 'create' | 'update' | 'delete'
  readonly oldId: ObjectId
  readonly newId: ObjectId
  readonly ref: string
  /** The name as it came: what the report must repeat. */
  readonly refBytes: Uint8Array
  /** Why no push may touch that name; null when one may. */
  readonly refusal: string | null
}

export interface PushRequest {
  readonly commands: readonly RefCommand[]
  /** Commits that the client has without their parents. */
  readonly shallows: readonly ObjectId[]
  readonly capabilities: readonly Capability[]
  /** Of a signed push: where the commands stood. */
  readonly certificate: PushCertificate | null
}

export interface PushLimits {
  /** Commands in one push. Default 500,000. */
  readonly commands?: number
  /** Default 100,000. */
  readonly shallows?: number
  /** Push options, and the bytes of each. Default 1,000 of 1,024 bytes. */
  readonly options?: number
  /** Bytes of a push certificate. Default 16 MiB. */
  readonly certificateBytes?: number
}

/** A client has a dozen, on its first line; as in git, they may come on any. */
const mostCapabilities = 1000

/** Collects the lines of one request. `line` takes each data line, `finish` gives the request. */
export interface PushParser {
  line(bytes: Uint8Array): void
  /** As far as they were read: how a refusal is told. */
  readonly capabilities: readonly Capability[]
  finish(): PushRequest
}

/**
 * A parser for one push.
 * InputError: `push-command` (not old, new and ref), `push-shallow`, `push-object-format` (another than the repository's),
 * `push-duplicate-ref`, `push-too-many`, `push-certificate` (malformed, or beside commands outside it).
 */
export function newPushParser(format: ObjectFormat, limits: PushLimits = {}): PushParser {
  const commands = new Commands(format, limits.commands ?? 500_000)
  const shallows: ObjectId[] = []
  const capabilities: Capability[] = []
  const certificate = new CertificateLines(limits.certificateBytes ?? 16 << 20)
  return {
    capabilities,
    line(bytes) {
      if (certificate.isOpen) return certificate.add(bytes)
      const whole = withoutNewline(bytes)
      if (beginsWith(whole, 'shallow ') && whole.length > 8) {
        if (shallows.length >= (limits.shallows ?? 100_000)) throw new InputError('push-too-many', 'too many shallow commits')
        shallows.push(parseShallow(whole, format))
        return
      }
      const nul = whole.indexOf(0)
      const head = nul === -1 ? whole : whole.subarray(0, nul)
      if (nul !== -1) {
        capabilities.push(...parseCapabilities(latin1(whole.subarray(nul + 1)).split('\0', 1)[0] ?? ''))
        if (capabilities.length > mostCapabilities) throw new InputError('push-too-many', 'too many capabilities')
        checkFormat(capabilities, format)
      }
      if (latin1(head) === 'push-cert') certificate.open()
      else commands.add(head)
    },
    finish() {
      const signed = certificate.finish()
      if (signed !== null && commands.all.length > 0) {
        throw new InputError('push-certificate', 'protocol error: got both push certificate and unsigned commands')
      }
      for (const line of signed?.commands ?? []) commands.add(line)
      return { commands: commands.all, shallows, capabilities, certificate: signed }
    },
  }
}

class Commands {
  readonly #format: ObjectFormat
  readonly #zero: ObjectId
  readonly #limit: number
  readonly #byName = new Map<string, RefCommand>()

  constructor(format: ObjectFormat, limit: number) {
    this.#format = format
    this.#zero = zeroId(format)
    this.#limit = limit
  }

  add(line: Uint8Array): void {
    const command = parseCommand(line, this.#format, this.#zero)
    const key = latin1(command.refBytes)
    if (this.#byName.has(key)) {
      throw new InputError('push-duplicate-ref', `multiple updates for ref '${printable(command.ref)}' not allowed`)
    }
    if (this.#byName.size >= this.#limit) throw new InputError('push-too-many', `at most ${this.#limit} refs can be pushed at once`)
    this.#byName.set(key, command)
  }

  get all(): readonly RefCommand[] {
    return [...this.#byName.values()]
  }
}

/** What stands between `push-cert` and `push-cert-end`. */
class CertificateLines {
  readonly #limitBytes: number
  readonly #lines: Uint8Array[] = []
  #sizeBytes = 0
  #isOpen = false

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  open(): void {
    if (this.#lines.length > 0) throw new InputError('push-certificate', 'protocol error: got more than one push certificate')
    this.#isOpen = true
  }

  add(line: Uint8Array): void {
    if (latin1(line.subarray(0, 15)) === 'push-cert-end\n' && line.length === 14) {
      this.#isOpen = false
      return
    }
    this.#sizeBytes += line.length
    if (this.#sizeBytes > this.#limitBytes) throw new InputError('push-too-many', 'the push certificate is too large')
    this.#lines.push(upToNul(line).slice())
  }

  finish(): PushCertificate | null {
    if (this.#isOpen) throw new InputError('push-certificate', 'protocol error: got an unexpected packet')
    return this.#lines.length === 0 ? null : parsePushCertificate(concatBytes(this.#lines))
  }
}

/** As git reads a line of text. */
function upToNul(line: Uint8Array): Uint8Array {
  const nul = line.indexOf(0)
  return nul < 0 ? line : line.subarray(0, nul)
}

function beginsWith(bytes: Uint8Array, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[i] !== text.charCodeAt(i)) return false
  return true
}

function checkFormat(capabilities: readonly Capability[], format: ObjectFormat): void {
  const named = hasCapability(capabilities, 'object-format') ? (capabilityValue(capabilities, 'object-format') ?? '') : 'sha1'
  if (named !== format) throw new InputError('push-object-format', `error: unsupported object format '${printable(named)}'`)
}

function parseShallow(line: Uint8Array, format: ObjectFormat): ObjectId {
  const text = latin1(line.subarray(8))
  const oid = parseObjectId(text.toLowerCase(), format)
  if (oid === null) throw new InputError('push-shallow', `protocol error: expected shallow sha, got '${printable(text)}'`)
  return oid
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const looseUtf8 = new TextDecoder('utf-8', { ignoreBOM: true })

function parseCommand(line: Uint8Array, format: ObjectFormat, zero: ObjectId): RefCommand {
  const width = zero.length
  const head = latin1(line.subarray(0, 2 * width + 2))
  const oldId = parseObjectId(head.slice(0, width).toLowerCase(), format)
  const newId = parseObjectId(head.slice(width + 1, 2 * width + 1).toLowerCase(), format)
  if (oldId === null || newId === null || head[width] !== ' ' || head[2 * width + 1] !== ' ') {
    throw new InputError('push-command', `protocol error: expected old/new/ref, got '${printable(latin1(line.subarray(0, 201)))}'`)
  }
  const refBytes = line.slice(2 * width + 2)
  const action = newId === zero ? 'delete' : oldId === zero ? 'create' : 'update'
  const { ref, isUtf8 } = decodeRef(refBytes)
  const refusal = isUtf8 ? refusalOfPushTo(ref, action === 'delete') : 'refname is not UTF-8'
  return { action, oldId, newId, ref, refBytes, refusal }
}

function decodeRef(bytes: Uint8Array): { ref: string; isUtf8: boolean } {
  try {
    return { ref: strictUtf8.decode(bytes), isUtf8: true }
  } catch {
    return { ref: looseUtf8.decode(bytes), isUtf8: false }
  }
}

/**
 * Reads a request up to its flush; the reader then stands before push options or the pack.
 * InputError as `newPushParser`, as `PktLineReader.read`, and `pkt-truncated` when the stream ends before the flush.
 */
export async function readPushRequest(reader: PktLineReader, parser: PushParser): Promise<PushRequest> {
  for await (const line of linesToFlush(reader)) parser.line(line)
  return parser.finish()
}

/** Reads push options up to their flush: after the commands, when both ends have the capability. InputError `push-too-many`. */
export async function readPushOptions(reader: PktLineReader, limits: PushLimits = {}): Promise<string[]> {
  const options: string[] = []
  for await (const line of linesToFlush(reader)) {
    if (options.length >= (limits.options ?? 1000) || line.length > 1024)
      throw new InputError('push-too-many', 'too many or too long push options')
    options.push(looseUtf8.decode(upToNul(withoutNewline(line))))
  }
  return options
}

async function* linesToFlush(reader: PktLineReader): AsyncGenerator<Uint8Array, void, void> {
  for (;;) {
    const pkt = reader.tryRead() ?? (await reader.read())
    if (pkt === null) throw new InputError('pkt-truncated', 'the remote end hung up unexpectedly')
    if (pkt.type === 'flush') return
    if (pkt.type !== 'data') throw new InputError('push-command', 'protocol error: got an unexpected packet')
    yield pkt.data
  }
}
