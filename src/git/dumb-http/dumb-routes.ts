// The dumb protocol (gitprotocol-http(5), "Dumb Clients"): a repository as if its files lay on a web server. What git http-backend sends, byte
// for byte where that is defined: types, cache headers, 403 where http.getanyfile is off.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf, type Repository, repositoryOf } from '../../access/index.ts'
import { CorruptError } from '../../base/index.ts'
import { parseRange, Refusal } from '../../http/index.ts'
import { Answer } from '../answer.ts'
import { scopeOf, settingsOf } from '../context.ts'
import { callOf } from '../http-call.ts'
import { untilGone } from '../fetch-serving.ts'
import { hashBytes, type ObjectFormat, type ObjectId } from '../format/object-id.ts'
import { placeKey } from '../git-call.ts'
import type { GitRoom } from '../git-room.ts'
import type { NetworkPacks } from '../odb/index.ts'
import { headRef, isDetached, type VisibleRefs } from '../refs/index.ts'
import { packedTips } from '../upload-pack/index.ts'
import { askDumb, type DumbQuestion } from './dumb-job.ts'
import type { ShownPack } from './dumb-objects.ts'

const never = {
  expires: 'Fri, 01 Jan 1980 00:00:00 GMT',
  pragma: 'no-cache',
  'cache-control': 'no-cache, max-age=0, must-revalidate',
} as const
const yearSeconds = 31_536_000

/** One request: what the caller may see. */
interface View {
  readonly cutOff: readonly ObjectId[]
  readonly repository: Repository
  readonly refs: VisibleRefs
  /** Equal keys are equal refs. */
  readonly key: string
}

export class DumbFace {
  readonly #room: GitRoom
  /** Packs that may be shown, by refs and packs: one answer for the many requests of a clone. */
  readonly #shown = new Map<string, Promise<readonly ShownPack[]>>()

  constructor(room: GitRoom) {
    this.#room = room
  }

  /** `HEAD` */
  async head(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { refs } = await this.#view(request)
    const head = headRef(refs)
    const text = head === null ? '' : isDetached(refs.head) ? `${head.oid}\n` : `ref: ${refs.head}\n`
    return reply.headers(never).type('text/plain').send(text)
  }

  /** `info/refs`, without a service. */
  async infoRefs(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    this.#assertOn(request)
    const bytes = await this.#room.refAnswer(
      repositoryOf(request),
      scopeOf(this.#room, callOf(this.#room, request), 'fetch'),
      'info/refs',
      ({ refs }) =>
        Buffer.from(refs.map((ref) => `${ref.oid}\t${ref.name}\n${ref.peeled ? `${ref.peeled}\t${ref.name}^{}\n` : ''}`).join('')),
    )
    return reply
      .headers(never)
      .type('text/plain')
      .send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }

  /** `objects/info/packs` */
  async infoPacks(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const view = await this.#view(request)
    const shown = await this.#packs(view, await this.#open(view))
    const lines = shown.filter((pack) => pack.isListed).map(({ name }) => `P pack-${name}.pack\n`)
    return reply
      .headers(never)
      .type('text/plain; charset=utf-8')
      .send(`${lines.join('')}\n`)
  }

  /** `objects/info/alternates` and `http-alternates`: there are none. An empty list spares the client its next question. */
  async alternates(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    this.#assertOn(request)
    return reply.headers(never).type('text/plain').send('')
  }

  /** `objects/xx/yyyy…` */
  async loose(request: FastifyRequest, reply: FastifyReply, first: string, rest: string): Promise<void> {
    const view = await this.#view(request)
    const oid = `${first}${rest}`
    if (!/^[0-9a-f]{2}$/.test(first) || !isHash(oid, view.repository.objectFormat)) throw missing()
    const packs = await this.#open(view)
    const listed = (await this.#packs(view, packs)).flatMap((pack) => (pack.isListed ? [pack.packId] : []))
    const question: DumbQuestion = { type: 'loose', oid, listed }
    await this.#send(view, packs, question, request, reply, 'application/x-git-loose-object')
  }

  /** `objects/pack/pack-….pack` and `.idx` */
  async pack(request: FastifyRequest, reply: FastifyReply, file: string): Promise<void> {
    const view = await this.#view(request)
    const [, name = '', ending] = /^pack-([0-9a-f]+)\.(pack|idx)$/.exec(file) ?? []
    if (!isHash(name, view.repository.objectFormat)) throw missing()
    const packs = await this.#open(view)
    const found = (await this.#packs(view, packs)).find((pack) => pack.name === name)
    if (!found) throw missing()
    if (ending === 'pack') return await this.#sendPack(view, packs, found, request, reply)
    const question: DumbQuestion = { type: 'idx', packId: found.packId, name }
    await this.#send(view, packs, question, request, reply, 'application/x-git-packed-objects-toc')
  }

  #assertOn(request: FastifyRequest): void {
    if (this.#room.options.dumbHttp !== false && settingsOf(this.#room, request).isDumb) return
    throw new Refusal(403, 'getanyfile', 'Unsupported service: getanyfile', { headers: { ...never } })
  }

  async #view(request: FastifyRequest): Promise<View> {
    this.#assertOn(request)
    const repository = repositoryOf(request)
    const scope = scopeOf(this.#room, callOf(this.#room, request), 'fetch')
    const snapshot = await this.#room.refs.read(repository.id, repository.refsVersion)
    const refs = this.#room.views.of(snapshot, scope)
    const { cutOff } = settingsOf(this.#room, request)
    return { cutOff, repository, refs, key: `${repository.id} ${snapshot.version} ${JSON.stringify(scope)}` }
  }

  async #open({ repository }: View): Promise<NetworkPacks> {
    return await this.#room.packs.open(repository.networkId) // after the refs: they may rest on no newer pack
  }

  async #packs(view: View, { handle }: NetworkPacks): Promise<readonly ShownPack[]> {
    const key = `${view.key} ${handle.lineage} ${handle.packs.length}`
    const known = this.#shown.get(key)
    if (known) return await known
    const asked = askDumb(
      this.#room.workers,
      { packs: handle, cutOff: view.cutOff, tipsKey: view.key, question: { type: 'packs' } },
      () => this.#room.views.once(view.refs, packedTips),
      async (answer) => (answer.type === 'packs' ? answer.packs : []),
    )
    asked.catch(() => this.#shown.delete(key))
    this.#shown.set(key, asked)
    if (this.#shown.size > 64) this.#shown.delete(this.#shown.keys().next().value as string)
    return await asked
  }

  /** What a worker makes, in a place among the fetches. */
  async #send(
    view: View,
    packs: NetworkPacks,
    question: DumbQuestion,
    request: FastifyRequest,
    reply: FastifyReply,
    type: string,
  ): Promise<void> {
    const job = { packs: packs.handle, cutOff: view.cutOff, tipsKey: view.key, question }
    const free = await this.#room.fetches.take(placeKey({ identity: request.identity, actor: actorOf(request) }))
    try {
      await askDumb(
        this.#room.workers,
        job,
        () => this.#room.views.once(view.refs, packedTips),
        async (answer, bytes) => {
          if (answer.type !== 'found') throw missing()
          const length = answer.sizeBytes === null ? {} : { 'content-length': String(answer.sizeBytes) }
          const out = new Answer(reply, type, { headers: { ...this.#forever(view.repository), ...length } })
          await this.#pour(view.repository, request, out, bytes)
        },
      )
    } finally {
      free()
    }
  }

  async #sendPack(view: View, { set }: NetworkPacks, shown: ShownPack, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const pack = set.packs.find(({ id }) => id === shown.packId)
    if (!pack) throw missing()
    const sizeBytes = pack.index.packBytes
    const headers = { ...this.#forever(view.repository), 'accept-ranges': 'bytes', etag: `"${shown.name}"` }
    // a range of another file than the client has the beginning of would spoil it
    const ifRange = request.headers['if-range']
    const range = parseRange(ifRange === undefined || ifRange === headers.etag ? request.headers.range : undefined, sizeBytes)
    if (!range) throw new Refusal(416, 'range', 'Range Not Satisfiable', { headers: { 'content-range': `bytes */${sizeBytes}` } })
    const isPart = range.to - range.from < sizeBytes
    const part = isPart ? { 'content-range': `bytes ${range.from}-${range.to - 1}/${sizeBytes}` } : {}
    const out = new Answer(reply, 'application/x-git-packed-objects', {
      status: isPart ? 206 : 200,
      headers: { ...headers, ...part, 'content-length': String(range.to - range.from) },
    })
    const free = await this.#room.fetches.take(placeKey({ identity: request.identity, actor: actorOf(request) }))
    try {
      await this.#pour(view.repository, request, out, pack.stream(range.from, range.to - range.from))
    } finally {
      free()
    }
  }

  async #pour(repository: Repository, request: FastifyRequest, out: Answer, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    if (request.method === 'HEAD') return out.end()
    try {
      for await (const piece of untilGone(bytes, out.gone)) {
        const full = out.write(piece)
        if (full) await full
      }
      out.end()
    } catch (error) {
      const alarm = error instanceof CorruptError
      if (out.gone.aborted && !alarm) return
      this.#room.options.log.error(
        { err: error, alarm, repository: repository.id },
        alarm ? 'ALARM: stored data is wrong' : 'an answer broke off',
      )
      out.break()
    }
  }

  /** These names never stand for anything else. Only what everybody may see may lie in a cache for everybody. */
  #forever({ visibility }: Repository): Record<string, string> {
    const now = this.#room.options.clock.now()
    return {
      date: new Date(now).toUTCString(),
      expires: new Date(now + yearSeconds * 1000).toUTCString(),
      'cache-control': `${visibility === 'public' ? 'public' : 'private'}, max-age=${yearSeconds}`,
    }
  }
}

function isHash(text: string, format: ObjectFormat): boolean {
  return text.length === hashBytes(format) * 2 && /^[0-9a-f]*$/.test(text)
}

function missing(): Refusal {
  return new Refusal(404, 'not-found', 'Not Found', { headers: { ...never } })
}
