// What a Git server elsewhere says it has: advertisements of all versions, and ls-refs (gitprotocol-http(5), gitprotocol-v2(5)).
import { InputError } from '../../base/index.ts'
import { type Capability, capabilityValue, hasCapability, parseCapabilities, printable } from '../format/capabilities.ts'
import { type ObjectFormat, type ObjectId, parseObjectId, zeroId } from '../format/object-id.ts'
import { PktLineReader, PktLineWriter, pktText } from '../format/pkt-line.ts'
import { isRefname } from '../format/refname.ts'
import type { RemoteHttp, RemoteService } from './remote-http.ts'

export interface RemoteRef {
  readonly name: string
  readonly oid: ObjectId
}

export interface RemoteState {
  readonly version: 0 | 1 | 2
  readonly format: ObjectFormat
  readonly capabilities: readonly Capability[]
  readonly refs: readonly RemoteRef[]
  /** What HEAD is a symbolic ref to; null: it is detached, or the server doesn't say. */
  readonly head: string | null
  /** Where HEAD is; null when it is unborn or hidden. */
  readonly headOid: ObjectId | null
  /** The server's own history is cut off. */
  readonly isShallow: boolean
}

/** A server with more refs than this is not believed. */
const mostRefs = 2_000_000
const mostBytes = 2 ** 28
const mostCapabilities = 1000

/** InputError `remote-protocol`, `remote-error` (the server's own words); what `RemoteHttp` throws. */
export async function readRemote(http: RemoteHttp, service: RemoteService, agent: string): Promise<RemoteState> {
  const wantsTwo = service === 'git-upload-pack'
  const reader = lineReader(await http.advertisement(service, wantsTwo ? 'version=2' : null))
  try {
    return await readAdvertisement(http, reader, agent)
  } finally {
    await reader.close() // whatever came: a server may say nonsense, and go on
  }
}

async function readAdvertisement(http: RemoteHttp, reader: PktLineReader, agent: string): Promise<RemoteState> {
  const first = await dataLine(reader)
  // the comment of the smart protocol, then a flush; some servers leave both out in version 2
  let line: string | null = first
  if (first?.startsWith('# service=') === true) {
    await reader.read()
    line = await dataLine(reader)
  }
  if (line === 'version 2') return await readVersionTwo(http, reader, agent)
  if (line === 'version 1') return { ...(await readRefs(reader, await dataLine(reader))), version: 1 }
  return { ...(await readRefs(reader, line)), version: 0 }
}

async function readRefs(reader: PktLineReader, first: string | null): Promise<Omit<RemoteState, 'version'>> {
  const nul = first?.indexOf('\0') ?? -1
  const capabilities = nul < 0 ? [] : parseCapabilities(first?.slice(nul + 1) ?? '')
  const format = formatOf(capabilities)
  const refs: RemoteRef[] = []
  let headOid: ObjectId | null = null
  let isShallow = false
  for (let line = nul < 0 ? first : (first?.slice(0, nul) ?? null); line !== null; line = await dataLine(reader)) {
    if (line.startsWith('shallow ')) {
      isShallow = true
      continue
    }
    const { oid, name } = splitRef(line, format)
    if (name === 'HEAD') headOid = oid
    else if (name !== 'capabilities^{}' && name !== '.have' && !name.endsWith('^{}')) refs.push({ oid, name: checked(name) })
    if (refs.length > mostRefs) throw tooMany()
  }
  const symref = capabilities.find((one) => one.name === 'symref' && one.value?.startsWith('HEAD:') === true)
  return { format, capabilities, refs, head: symref?.value?.slice('HEAD:'.length) ?? null, headOid, isShallow }
}

async function readVersionTwo(http: RemoteHttp, reader: PktLineReader, agent: string): Promise<RemoteState> {
  const capabilities: Capability[] = []
  for (let line = await dataLine(reader); line !== null; line = await dataLine(reader)) {
    const equals = line.indexOf('=')
    capabilities.push(equals < 0 ? { name: line, value: null } : { name: line.slice(0, equals), value: line.slice(equals + 1) })
    if (capabilities.length > mostCapabilities) throw protocol(`the server has more than ${mostCapabilities} capabilities`)
  }
  await reader.close()
  const format = formatOf(capabilities)
  const lsRefs = capabilities.find((one) => one.name === 'ls-refs')
  if (lsRefs === undefined || !hasCapability(capabilities, 'fetch')) throw protocol('the server offers neither ls-refs nor fetch')
  const request = new PktLineWriter()
  writeCommand(request, 'ls-refs', capabilities, format, agent)
  request.delim().text('symrefs\n')
  if (lsRefs.value?.split(' ').includes('unborn') === true) request.text('unborn\n')
  const answer = lineReader(await http.post('git-upload-pack', request.flush().take(), 'version=2'))
  try {
    return { version: 2, format, capabilities, ...(await readListing(answer, format)), isShallow: false }
  } finally {
    await answer.close()
  }
}

async function readListing(answer: PktLineReader, format: ObjectFormat): Promise<Pick<RemoteState, 'refs' | 'head' | 'headOid'>> {
  const refs: RemoteRef[] = []
  let head: string | null = null
  let headOid: ObjectId | null = null
  for (let line = await dataLine(answer); line !== null; line = await dataLine(answer)) {
    const [id = '', name = '', ...attributes] = line.split(' ')
    const target = attributes.find((one) => one.startsWith('symref-target:'))?.slice('symref-target:'.length) ?? null
    if (name === 'HEAD') {
      head = target
      headOid = id === 'unborn' ? null : idOf(id, format)
    } else refs.push({ oid: idOf(id, format), name: checked(name) })
    if (refs.length > mostRefs) throw tooMany()
  }
  return { refs, head, headOid }
}

/** The lines before the delimiter of a version 2 command. */
export function writeCommand(
  out: PktLineWriter,
  command: string,
  capabilities: readonly Capability[],
  format: ObjectFormat,
  agent: string,
): void {
  out.text(`command=${command}\n`)
  if (hasCapability(capabilities, 'agent')) out.text(`agent=${agent}\n`)
  if (hasCapability(capabilities, 'object-format')) out.text(`object-format=${format}\n`)
}

export function lineReader(bytes: AsyncIterable<Uint8Array>, limitBytes = mostBytes): PktLineReader {
  return new PktLineReader(limited(bytes, limitBytes), { lines: Number.MAX_SAFE_INTEGER })
}

async function* limited(bytes: AsyncIterable<Uint8Array>, limitBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  let sizeBytes = 0
  for await (const part of bytes) {
    sizeBytes += part.length
    if (sizeBytes > limitBytes) throw protocol(`the server's answer is longer than ${limitBytes} bytes`)
    yield part
  }
}

/** The next line's text; null at a flush or the end. InputError `remote-error` for an `ERR` line. */
async function dataLine(reader: PktLineReader): Promise<string | null> {
  const pkt = await reader.read()
  if (pkt === null || pkt.type !== 'data') return null
  const text = pktText(pkt.data)
  if (text.startsWith('ERR ')) throw remoteError(text.slice(4))
  return text
}

export function remoteError(words: string): InputError {
  return new InputError('remote-error', `remote error: ${printable(words.trim())}`)
}

export function protocol(what: string): InputError {
  return new InputError('remote-protocol', `protocol error: ${what}`)
}

function formatOf(capabilities: readonly Capability[]): ObjectFormat {
  const name = capabilityValue(capabilities, 'object-format') ?? 'sha1'
  if (name !== 'sha1' && name !== 'sha256') throw protocol(`unknown object format '${printable(name)}'`)
  return name
}

function splitRef(line: string, format: ObjectFormat): RemoteRef {
  const space = line.indexOf(' ')
  const id = line.slice(0, Math.max(space, 0))
  const name = line.slice(space + 1)
  // an empty repository has only its capabilities to tell
  return { oid: id === zeroId(format) ? zeroId(format) : idOf(id, format), name }
}

function idOf(text: string, format: ObjectFormat): ObjectId {
  const oid = parseObjectId(text, format)
  if (oid === null) throw protocol(`'${printable(text)}' is no object id`)
  return oid
}

function checked(name: string): string {
  if (!isRefname(name)) throw protocol(`'${printable(name)}' is no name of a ref`)
  return name
}

function tooMany(): InputError {
  return protocol(`the server has more than ${mostRefs} refs`)
}
