// Imports and pulling mirrors from a Git server elsewhere.
import { fromHex, InputError } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { fetchPack, readRemote, type RemoteClient, RemoteHttp, type RemoteState, type RemoteUrl } from '../remote/index.ts'
import { emptyPack } from './empty-pack.ts'
import { branchAt, keepable, type Origin, type OriginState, type TransferContext, type Transferred } from './origin.ts'

export class RemoteOrigin implements Origin {
  readonly label: string
  /** A server tells what it has by its refs alone. */
  readonly has = null
  readonly #http: RemoteHttp
  readonly #agent: string
  #state: RemoteState | null = null

  constructor(remote: RemoteUrl, client: RemoteClient, signal: AbortSignal) {
    this.label = remote.url
    this.#agent = client.agent
    this.#http = new RemoteHttp({ remote, client, signal })
  }

  async readState(): Promise<OriginState> {
    const state = await readRemote(this.#http, 'git-upload-pack', this.#agent)
    if (state.isShallow) throw new InputError('remote-shallow', `${this.label}: the history is cut off there (a shallow repository)`)
    this.#state = state
    const head = state.head ?? (state.headOid === null ? null : branchAt(state.headOid, state.refs))
    return { format: state.format, ...keepable(head, state.refs) }
  }

  async transfer({ state, refs, isStored: isStoredId, take }: TransferContext): Promise<Transferred> {
    const remote = this.#state
    if (remote === null) throw new Error('the refs were not read')
    const isStored = (oid: ObjectId) => isStoredId(fromHex(oid))
    const offered = [...new Set(state.refs.map((ref) => ref.oid))]
    const wants = offered.filter((oid) => !isStored(oid))
    const pack =
      wants.length === 0
        ? emptyPack(state.format)
        : fetchPack(this.#http, { state: remote, wants, haves: haves(offered, isStored, refs), agent: this.#agent })
    return { staged: await take(pack), leftOut: null }
  }

  close(): void {}
}

/** What both have for certain comes first. */
function haves(
  offered: readonly ObjectId[],
  isStored: (oid: ObjectId) => boolean,
  refs: readonly { readonly oid: ObjectId }[],
): ObjectId[] {
  return [...new Set([...offered.filter(isStored), ...refs.map((ref) => ref.oid)])]
}
