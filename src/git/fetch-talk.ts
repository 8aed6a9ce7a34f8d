// Fetches as conversations (gitprotocol-pack(5), "Packfile Negotiation"; gitprotocol-v2(5)). Version 2 is one request after the other on one line.
// In versions 0 and 1 client and server talk about one fetch: what it wants, what it has, batch by batch, until it says that it is done. Each batch
// is answered as a request of its own, which says again what turned out to be common before: no worker is held while a client is waited for.
import { InputError } from '../base/index.ts'
import { scopeOf } from './context.ts'
import { advertiseFetch, advertiseRefs, answerAsked, assertFetchEnabled, offerOf, readFetch, readWhole } from './serve-fetch.ts'
import { answerPack } from './fetch-serving.ts'
import { type GitCall, placeKey, repositoryIn } from './git-call.ts'
import { type GitLine, Requests, sendAdvertisement } from './git-line.ts'
import type { GitRoom } from './git-room.ts'
import type { Preamble } from './negotiated.ts'
import type { RefSnapshot } from './refs/index.ts'
import { deepens, errorPacket, type FetchRequest, parseHaves, parseInTurns, parseNow } from './upload-pack/index.ts'

/** All parts of one negotiation together look up so many haves for each line that a request may have: few of them are said again and again. */
const lookUpsPerLine = 16

/** @throws as `converse` */
export async function talkFetch(room: GitRoom, call: GitCall, line: GitLine): Promise<void> {
  const requests = new Requests(line, room.options.limits.requestBytes)
  await (call.version === 2 ? serveCommands(room, call, line, requests) : serveFetch(room, call, line, requests))
}

async function serveCommands(room: GitRoom, call: GitCall, line: GitLine, requests: Requests): Promise<void> {
  await sendAdvertisement(line, await advertiseFetch(room, call))
  while (await requests.hasNext()) {
    const present = await line.renew()
    assertFetchEnabled(room, present)
    const asked = await readFetch(room, present, requests.next())
    if (asked === null) return
    await answerAsked(room, present, asked, () => line.answer())
    await line.flush()
    if (line.isOver) return
  }
}

async function serveFetch(room: GitRoom, call: GitCall, line: GitLine, requests: Requests): Promise<void> {
  assertFetchEnabled(room, call)
  const repository = repositoryIn(call)
  const snapshot = await room.refs.read(repository.id, repository.refsVersion)
  await sendAdvertisement(line, advertiseRefs(room, call, snapshot))
  if (!(await requests.hasNext())) return
  const asked = await readFetch(room, call, requests.next())
  if (asked === null) return
  if (asked.command !== 'fetch') return await answerAsked(room, call, asked, () => line.answer())
  await new Negotiation(room, call, line, snapshot, asked.request).run(requests)
}

type Entries = FetchRequest['negotiation']

class Negotiation {
  readonly #room: GitRoom
  readonly #call: GitCall
  readonly #line: GitLine
  /** The refs that the client was told of. */
  readonly #snapshot: RefSnapshot
  readonly #request: FetchRequest
  #common: Entries = []
  #isShallowTold = false
  #linesLeft: number
  #lookUpsLeft: number

  constructor(room: GitRoom, call: GitCall, line: GitLine, snapshot: RefSnapshot, request: FetchRequest) {
    this.#room = room
    this.#call = call
    this.#line = line
    this.#snapshot = snapshot
    this.#request = request
    this.#linesLeft = room.options.limits.pktLines
    this.#lookUpsLeft = this.#linesLeft * lookUpsPerLine
  }

  async run(requests: Requests): Promise<void> {
    try {
      if (deepens(this.#request)) {
        if ((await this.#answer([])) === null) return
        this.#isShallowTold = true
      }
      for (;;) {
        const answered = await this.#answer(await this.#read(requests))
        if (answered === null || answered.pack) return
        this.#common = answered.common ?? []
      }
    } catch (error) {
      if (!(error instanceof InputError) || error.code === 'client-gone') throw error
      this.#line.answer().fail(errorPacket(error.message))
    }
  }

  async #read(requests: Requests): Promise<Entries> {
    if (!(await requests.hasNext())) throw new InputError('client-gone', 'the remote end hung up unexpectedly')
    const { requestBytes: bytes } = this.#room.options.limits
    const { objectFormat } = repositoryIn(this.#call)
    const entries = await readWhole(this.#room, requests.next('done'), async (body, isLarge) => {
      const steps = parseHaves(body, objectFormat, { bytes, lines: this.#linesLeft })
      return isLarge ? await parseInTurns(steps) : parseNow(steps)
    })
    this.#linesLeft -= entries.length
    this.#lookUpsLeft -= entries.length + this.#common.length
    if (this.#lookUpsLeft < 0) throw new InputError('request-too-large', 'the negotiation takes more rounds than this server allows')
    return entries
  }

  /** Null: it failed, and the client was told. */
  async #answer(entries: Entries): Promise<Preamble | null> {
    const present = await this.#line.renew()
    const request: FetchRequest = {
      ...this.#request,
      negotiation: [...this.#common, ...entries],
      conversation: { answered: this.#common.length, isShallowTold: this.#isShallowTold },
    }
    const refs = this.#room.views.of(this.#snapshot, scopeOf(this.#room, this.#call, 'fetch'))
    const told = { caller: placeKey(this.#call), offer: offerOf(this.#room, present), refs, refsVersion: this.#snapshot.version }
    const answered = await answerPack(this.#room, repositoryIn(present), request, told, this.#line.answer())
    await this.#line.flush()
    return answered
  }
}
