// Pushes to a Git server elsewhere (gitprotocol-pack(5), Pushing Data To a Server): commands, a pack, and the report that comes back.
import { concatBytes, latin1, UnavailableError } from '../../base/index.ts'
import { hasCapability, printable } from '../format/capabilities.ts'
import { type ObjectId, zeroId } from '../format/object-id.ts'
import { Band, decodeBand, flushPkt, MAX_PKT_DATA_BYTES, PktLineWriter, pktText } from '../format/pkt-line.ts'
import { decodeReportStatus, type RefResult } from '../format/report-status.ts'
import type { RemoteHttp } from './remote-http.ts'
import { lineReader, protocol, type RemoteState, remoteError } from './remote-refs.ts'

/** One ref's move there; null: there is no such ref, before or after. */
export interface RemoteCommand {
  readonly name: string
  readonly oldOid: ObjectId | null
  readonly newOid: ObjectId | null
}

/** A ref that was not moved, and the server's words for why. */
export interface RemoteRefusal {
  readonly name: string
  readonly reason: string
}

/** Bodies up to this are sent as a whole, with their length: some servers take no chunks. */
const wholeBytes = 1 << 20
/** A report on 500,000 refs. */
const mostReportBytes = 256 << 20

/**
 * @param pack what the new values need; not asked for where refs are only deleted; closed in any case once it was begun
 * @returns the refs that the server refused; all others moved
 * @throws InputError `remote-error` when the server took none of it, in its words; UnavailableError when it breaks off: refs may have moved
 */
export async function pushPack(
  http: RemoteHttp,
  state: RemoteState,
  commands: readonly RemoteCommand[],
  pack: AsyncIterable<Uint8Array>,
  agent: string,
): Promise<readonly RemoteRefusal[]> {
  const hasPack = commands.some((command) => command.newOid !== null)
  const parts = joined(formatCommands(state, commands, agent), hasPack ? pack : [])
  let report: Uint8Array
  try {
    const answer = await http.post('git-receive-pack', await wholeOrStream(parts), null)
    report = await readReport(answer, hasCapability(state.capabilities, 'side-band-64k'))
  } finally {
    await parts.return(undefined) // who was not asked for all of the pack still has whatever makes it
  }
  if (!hasCapability(state.capabilities, 'report-status')) return []
  const { unpackError, results } = decodeReportStatus(report)
  if (unpackError !== null) throw remoteError(`the pack was not taken: ${unpackError}`)
  return refusals(commands, results)
}

function refusals(commands: readonly RemoteCommand[], results: readonly RefResult[]): RemoteRefusal[] {
  const found = new Map(results.map((result) => [String(result.ref), result.error]))
  return commands.flatMap(({ name }) => {
    const error = found.get(name)
    return error === null ? [] : [{ name, reason: printable(error ?? 'the server said nothing of it') }]
  })
}

function formatCommands(state: RemoteState, commands: readonly RemoteCommand[], agent: string): Uint8Array {
  const offered = (name: string) => hasCapability(state.capabilities, name)
  const words = ['report-status', 'side-band-64k', 'quiet', 'delete-refs', 'ofs-delta'].filter(offered)
  if (offered('agent')) words.push(`agent=${agent}`)
  if (offered('object-format')) words.push(`object-format=${state.format}`)
  else if (state.format !== 'sha1') throw protocol('the server does not say how it names objects')
  const zero = zeroId(state.format)
  const out = new PktLineWriter()
  for (const [place, { name, oldOid, newOid }] of commands.entries()) {
    const line = `${oldOid ?? zero} ${newOid ?? zero} ${name}${place === 0 ? `\0 ${words.join(' ')}` : ''}`
    if (Buffer.byteLength(line) > MAX_PKT_DATA_BYTES) throw protocol(`the name of ${name.slice(0, 80)}… is too long`)
    out.text(line)
  }
  return concatBytes([out.take(), flushPkt])
}

async function* joined(head: Uint8Array, rest: AsyncIterable<Uint8Array> | readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield head
  yield* rest
}

async function wholeOrStream(parts: AsyncGenerator<Uint8Array>): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const held: Uint8Array[] = []
  let sizeBytes = 0
  for (;;) {
    const next = await parts.next()
    if (next.done === true) return concatBytes(held)
    held.push(next.value)
    sizeBytes += next.value.length
    if (sizeBytes > wholeBytes) return continued(held, parts)
  }
}

async function* continued(held: readonly Uint8Array[], rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* held
  yield* rest
}

/** The report's own pkt-lines. What the server says beside it is for a terminal, which nobody has here. */
async function readReport(answer: AsyncIterable<Uint8Array>, isFramed: boolean): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  if (!isFramed) {
    let sizeBytes = 0
    for await (const bytes of answer) {
      sizeBytes += bytes.length
      if (sizeBytes > mostReportBytes) throw protocol('the report has no end')
      parts.push(bytes)
    }
    return concatBytes(parts)
  }
  const reader = lineReader(answer, mostReportBytes)
  try {
    for (let pkt = await reader.read(); pkt !== null && pkt.type !== 'flush'; pkt = await reader.read()) {
      if (pkt.type !== 'data') continue
      if (pkt.data[0] === 0x45 && pktText(pkt.data).startsWith('ERR ')) throw remoteError(pktText(pkt.data).slice(4))
      const { band, data } = decodeBand(pkt.data)
      if (band === Band.error) throw remoteError(latin1(data))
      if (band === Band.data) parts.push(data.slice())
    }
  } finally {
    await reader.close()
  }
  if (parts.length === 0) throw new UnavailableError('remote-protocol', 'the server sent no report: what became of the refs is not known')
  return concatBytes(parts)
}
