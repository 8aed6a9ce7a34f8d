// Fetches a pack from a Git server elsewhere: one request that names all wants and what is here, and takes the pack that comes
// (gitprotocol-v2(5), fetch; gitprotocol-pack(5)).
import { concatBytes, InputError, latin1 } from '../../base/index.ts'
import { hasCapability } from '../format/capabilities.ts'
import type { ObjectId } from '../format/object-id.ts'
import { Band, decodeBand, type PktLineReader, PktLineWriter, pktText } from '../format/pkt-line.ts'
import type { RemoteHttp } from './remote-http.ts'
import { lineReader, protocol, type RemoteState, remoteError, writeCommand } from './remote-refs.ts'

export interface RemoteFetch {
  readonly state: RemoteState
  readonly wants: readonly ObjectId[]
  /** Commits and tags that are here, with all that they reach. */
  readonly haves: readonly ObjectId[]
  readonly agent: string
}

/** As many are told: each costs a server a look, and a few that it knows are enough. */
const mostHaves = 4000
const pieceBytes = 256 << 10

/**
 * The pack's bytes as they come; thin where the server can. The first step throws when the server refuses: InputError `remote-error`,
 * `remote-protocol`; later ones when it breaks off.
 */
export async function* fetchPack(http: RemoteHttp, fetch: RemoteFetch): AsyncGenerator<Uint8Array, void, undefined> {
  const isTwo = fetch.state.version === 2
  const body = isTwo ? requestTwo(fetch) : requestZero(fetch)
  const answer = await http.post('git-upload-pack', body, isTwo ? 'version=2' : null)
  const reader = lineReader(answer, Number.MAX_SAFE_INTEGER)
  try {
    const first = isTwo ? await skipSections(reader) : await skipAcknowledgements(reader)
    if (first !== null || isTwo) yield* demultiplexed(reader, first)
  } finally {
    await reader.close()
  }
}

function requestTwo({ state, wants, haves, agent }: RemoteFetch): Uint8Array {
  const out = new PktLineWriter()
  writeCommand(out, 'fetch', state.capabilities, state.format, agent)
  out.delim().text('thin-pack\n').text('ofs-delta\n').text('no-progress\n')
  for (const want of wants) out.text(`want ${want}\n`)
  for (const have of haves.slice(0, mostHaves)) out.text(`have ${have}\n`)
  return out.text('done\n').flush().take()
}

function requestZero({ state, wants, haves, agent }: RemoteFetch): Uint8Array {
  const offered = (name: string) => hasCapability(state.capabilities, name)
  if (!offered('side-band-64k')) throw protocol('the server has no side-band-64k, and so is older than git 1.5')
  const words = ['side-band-64k', ...['thin-pack', 'ofs-delta', 'no-progress'].filter(offered)]
  if (offered('agent')) words.push(`agent=${agent}`)
  if (offered('object-format')) words.push(`object-format=${state.format}`)
  const out = new PktLineWriter()
  for (const [place, want] of wants.entries()) out.text(place === 0 ? `want ${want} ${words.join(' ')}\n` : `want ${want}\n`)
  out.flush()
  for (const have of haves.slice(0, mostHaves)) out.text(`have ${have}\n`)
  return out.text('done\n').take()
}

/** Up to the pack's own section. InputError when the history that comes is cut off. */
async function skipSections(reader: PktLineReader): Promise<null> {
  for (;;) {
    const pkt = await reader.read()
    if (pkt === null || pkt.type === 'flush') throw protocol('the answer ends before the pack')
    if (pkt.type !== 'data') continue
    const text = pktText(pkt.data)
    if (text === 'packfile') return null
    if (text.startsWith('ERR ')) throw remoteError(text.slice(4))
    assertWhole(text)
  }
}

/** Versions 0 and 1 tell the last thing in common, or that there is none. Returns the first line of the pack, which is known by its band. */
async function skipAcknowledgements(reader: PktLineReader): Promise<Uint8Array | null> {
  for (;;) {
    const pkt = await reader.read()
    if (pkt === null) throw protocol('the answer ends before the pack')
    if (pkt.type !== 'data') continue
    const band = pkt.data[0] ?? 0
    if (band === Band.data || band === Band.progress || band === Band.error) return pkt.data
    const text = pktText(pkt.data)
    if (text.startsWith('ERR ')) throw remoteError(text.slice(4))
    assertWhole(text)
  }
}

function assertWhole(line: string): void {
  if (/^shallow [0-9a-f]+$/.test(line)) {
    throw new InputError('remote-shallow', 'the history is cut off there (a shallow repository): it cannot be brought as a whole')
  }
}

/** Small lines are joined: each piece crosses to another thread, which has its price. */
async function* demultiplexed(reader: PktLineReader, first: Uint8Array | null): AsyncGenerator<Uint8Array, void, undefined> {
  let parts: Uint8Array[] = []
  let sizeBytes = 0
  const take = (line: Uint8Array): boolean => {
    const { band, data } = decodeBand(line)
    if (band === Band.error) throw remoteError(latin1(data))
    if (band !== Band.data || data.length === 0) return false
    parts.push(data)
    sizeBytes += data.length
    return sizeBytes >= pieceBytes
  }
  const flush = (): Uint8Array => {
    const piece = concatBytes(parts)
    parts = []
    sizeBytes = 0
    return piece
  }
  if (first !== null && take(first)) yield flush()
  for (let pkt = await reader.read(); pkt?.type === 'data'; pkt = await reader.read()) if (take(pkt.data)) yield flush()
  if (sizeBytes > 0) yield flush()
}
