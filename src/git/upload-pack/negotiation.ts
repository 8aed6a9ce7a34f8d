// The talk before the pack: shallow lines, acknowledgements, and what has to be in the pack. Answers as git's upload-pack does over HTTP,
// where every request repeats all that was said before; of a conversation each part is such a request, and what was answered before is left out.
import { fromHex, InputError } from '../../base/index.ts'
import { hashBytes, Kind, type ObjectId } from '../format/object-id.ts'
import { type FilterSpec, mapSparse } from '../format/filter-spec.ts'
import type { FetchTask } from './fetch-task.ts'
import { assertReachable, CommonGround, notOurRef, reachedObjects, unreached } from './reach.ts'
import type { PacedRepository } from './repository.ts'
import { deepens, type FetchRequest } from './request.ts'
import { SectionWriter } from './section-writer.ts'
import type { PackRequest } from './selection.ts'
import { changeShallow, type ShallowChange, writeShallow } from './shallow.ts'
import { sparseBlob } from './sparse-blob.ts'

/** Steps (Pace) that looking an id up takes. */
const lookUpSteps = 4

export interface Negotiated {
  /** pkt-lines, to be sent as they are, ahead of the pack. */
  readonly preamble: Uint8Array
  /** Null: the answer ends here; the client will ask again. */
  readonly pack: PackRequest | null
  /** Of a part of a conversation: haves that the next part need repeat, and no others. */
  readonly common: readonly ObjectId[]
}

/**
 * @throws InputError `not-our-ref` for a want that isn't stored or that the repository's refs don't reach; `bad-request` for shallow lines
 * that make no sense
 */
export async function negotiate(repository: PacedRepository, task: FetchTask): Promise<Negotiated> {
  const wants = await numbersOf(repository, task.wants)
  await assertServed(repository, task, wants)
  const haves = task.request.negotiation.filter((entry): entry is ObjectId => entry !== 'flush' && entry !== 'done')
  const named = await numbersOf(repository, [...task.request.shallows, ...haves])
  const stored = [...new Set(named)].filter((number) => number >= 0)
  const reached = await reachedObjects(repository, task.tips, stored)
  const talk = new Talk(repository, task, wants, reached, await boundaries(repository, task))
  return task.request.version === 2 ? await talk.versionTwo() : await talk.versionZero()
}

/** −1 for what isn't stored. A client may name a million. */
async function numbersOf({ pace, set }: PacedRepository, ids: readonly ObjectId[]): Promise<number[]> {
  const numbers: number[] = []
  for (const id of ids) {
    const turn = pace.turn(lookUpSteps)
    if (turn) await turn
    numbers.push(set.find(fromHex(id), 0))
  }
  return numbers
}

/** The refusal names the first want that isn't served. Whether it is stored, or one that follows is, must make no difference. */
async function assertServed(repository: PacedRepository, { tips, unlisted, wants }: FetchTask, numbers: readonly number[]): Promise<void> {
  const { set } = repository
  const asked = new Set(unlisted)
  const open = wants.flatMap((want, place) => (asked.has(want) ? [numbers[place] as number] : []))
  const absent = open.findIndex((number) => number < 0)
  const stored = absent < 0 ? open : open.slice(0, absent)
  try {
    if (stored.length > 0) await assertReachable(repository, tips, stored)
  } catch (error) {
    const [first] = await unreached(repository, tips, stored)
    throw error instanceof InputError && first !== undefined ? notOurRef(set.oid(first)) : error
  }
  const missing = wants.find((_, place) => (numbers[place] as number) < 0)
  if (missing !== undefined) throw notOurRef(fromHex(missing))
}

/**
 * Commits at which the client is cut off, as far as the visible refs reach them: no walk for this client comes to any other one, and that a
 * pack is made as for somebody who is cut off would tell that the commit is stored.
 */
async function boundaries(repository: PacedRepository, { request, tips }: FetchTask): Promise<number[]> {
  const { set } = repository
  const named = await numbersOf(repository, request.shallows)
  const commits = [...new Set(named)].filter((number) => number >= 0 && set.kind(number) === Kind.commit)
  const foreign = new Set(await unreached(repository, tips, commits))
  return commits.filter((commit) => !foreign.has(commit))
}

class Talk {
  readonly #repository: PacedRepository
  readonly #task: FetchTask
  readonly #request: FetchRequest
  readonly #wants: readonly number[]
  readonly #ground: CommonGround
  readonly #client: readonly number[]
  /** What the client names and the visible refs reach; nothing else is the client's as far as it is told. */
  readonly #reached: ReadonlySet<number>
  readonly #out: SectionWriter
  #change: ShallowChange = { shallow: [], unshallow: [] }
  readonly #common: ObjectId[] = []

  constructor(
    repository: PacedRepository,
    task: FetchTask,
    wants: readonly number[],
    reached: ReadonlySet<number>,
    client: readonly number[],
  ) {
    this.#repository = repository
    this.#client = client
    this.#reached = reached
    this.#task = task
    this.#request = task.request
    this.#out = new SectionWriter(task.request.sidebandAll)
    this.#wants = wants
    this.#ground = new CommonGround(repository, wants)
  }

  async versionZero(): Promise<Negotiated> {
    const { conversation } = this.#request
    if (deepens(this.#request)) {
      await this.#shallowLines()
      this.#out.flush()
    }
    if (conversation?.isShallowTold) this.#out.take()
    const goesOn = await this.#acknowledge()
    return goesOn ? await this.#withPack() : this.#answer(null)
  }

  async versionTwo(): Promise<Negotiated> {
    const { negotiation, waitForDone } = this.#request
    if (this.#wants.length === 0 && !waitForDone) return this.#answer(null)
    const haves = negotiation.filter((entry): entry is ObjectId => entry !== 'flush' && entry !== 'done')
    const common = new Set<ObjectId>()
    for (const have of haves) if ((await this.#has(have)) === 'new') common.add(have)
    const done = negotiation.includes('done')
    if (haves.length > 0 && !done) {
      this.#out.text('acknowledgments\n')
      if (common.size === 0) this.#out.text('NAK\n')
      for (const have of common) this.#out.text(`ACK ${have}\n`)
      if (waitForDone || !(await this.#ground.isEnough())) {
        this.#out.flush()
        return this.#answer(null)
      }
      this.#out.text('ready\n').delim()
    }
    if (deepens(this.#request) || this.#request.shallows.length > 0 || this.#repository.cutOff.size > 0) {
      this.#out.text('shallow-info\n')
      await this.#shallowLines()
      this.#out.delim()
    }
    const { uris, wantedRefs } = this.#task
    // behind shallow-info, as the protocol and git's client have it: git's own upload-pack sends them the other way round
    if (wantedRefs.length > 0) {
      this.#out.text('wanted-refs\n')
      for (const { name, oid } of wantedRefs) this.#out.text(`${oid} ${name}\n`)
      this.#out.delim()
    }
    if (uris.length === 0) this.#out.text('packfile\n') // else their section comes first, when it is known what is sent
    return await this.#withPack()
  }

  async #shallowLines(): Promise<void> {
    const { depth, deepenRelative, deepenSince } = this.#request
    const not = this.#task.deepenNot.map((id) => this.#repository.set.find(fromHex(id), 0))
    const request = { client: this.#client, reached: this.#reached, depth, relative: deepenRelative, since: deepenSince, not }
    this.#change = await changeShallow(this.#repository, this.#wants, request)
    writeShallow(this.#out, this.#repository, this.#change)
  }

  /** Whether the object is common; `new` when it doesn't follow from another one that is. */
  async #has(have: ObjectId): Promise<'no' | 'implied' | 'new'> {
    const turn = this.#repository.pace.turn(lookUpSteps)
    if (turn) await turn
    const number = this.#repository.set.find(fromHex(have), 0)
    if (!this.#reached.has(number)) return 'no'
    return (await this.#ground.add(number)) ? 'new' : 'implied'
  }

  /** Versions 0 and 1: true when the pack follows. */
  async #acknowledge(): Promise<boolean> {
    const { conversation, multiAck, negotiation, noDone } = this.#request
    const { answered = 0 } = conversation ?? {}
    let last = await this.#repeat(negotiation.slice(0, answered))
    let common = false
    let other = false
    let ready = false
    for (const entry of negotiation.slice(answered)) {
      if (entry === 'done') {
        if (last === '') this.#out.text('NAK\n')
        else if (multiAck !== 'none') this.#out.text(`ACK ${last}\n`)
        return true
      }
      if (entry === 'flush') {
        if (multiAck === 'detailed' && common && !other && (await this.#ground.isEnough())) {
          ready = true
          this.#out.text(`ACK ${last} ready\n`)
        }
        if (last === '' || multiAck !== 'none') this.#out.text('NAK\n')
        if (noDone && ready) {
          this.#out.text(`ACK ${last}\n`)
          return true
        }
        return false // over HTTP the answer ends with the batch, and the conversation's part does
      }
      if ((await this.#has(entry)) !== 'no') {
        this.#common.push(entry)
        common = true
        last = entry
        if (multiAck === 'detailed') this.#out.text(`ACK ${entry} common\n`)
        else if (multiAck === 'continue') this.#out.text(`ACK ${entry} continue\n`)
        else if (this.#ground.count === 1) this.#out.text(`ACK ${entry}\n`)
        continue
      }
      other = true
      if (multiAck === 'none' || !(await this.#ground.isEnough(false))) continue
      if (multiAck === 'detailed') {
        ready = true
        this.#out.text(`ACK ${entry} ready\n`)
      } else {
        this.#out.text(`ACK ${entry} continue\n`)
      }
    }
    return false
  }

  /** Haves that were answered before: all that is left to know of them is that they are common. The last one, or nothing. */
  async #repeat(haves: readonly FetchRequest['negotiation'][number][]): Promise<ObjectId | ''> {
    let last: ObjectId | '' = ''
    for (const have of haves) {
      if (have === 'flush' || have === 'done' || (await this.#has(have)) === 'no') continue
      last = have
      this.#common.push(have)
    }
    return last
  }

  async #withPack(): Promise<Negotiated> {
    const { commits, set } = this.#repository
    const wants = new Set(this.#wants)
    const haves = new Set<number>()
    for (const have of this.#ground.haves) if (set.kind(have) === Kind.commit) haves.add(have)
    // a commit that was a boundary and is none any more: the client has it, and lacks what is behind it
    for (const commit of this.#change.unshallow) {
      const loading = commits.load(commit)
      if (loading) await loading
      for (let place = 0; place < commits.parentCount(commit); place++) wants.add(commits.parent(commit, place))
      haves.add(commit)
    }
    return this.#answer({
      wants: [...wants],
      haves: [...haves],
      grafts: [...new Set([...this.#client, ...this.#change.shallow, ...this.#repository.cutOff])],
      filter: await this.#filter(),
      thinPack: this.#request.thinPack,
      ofsDelta: this.#request.ofsDelta,
      tags: this.#tags(),
    })
  }

  /** The filter with its `sparse:oid` as ids of blobs that the client may see. */
  async #filter(): Promise<FilterSpec | null> {
    const { filter } = this.#request
    const ids = new Map<string, ObjectId>()
    for (const sparse of this.#task.sparse) ids.set(sparse.name, await sparseBlob(this.#repository, this.#task.tips, sparse))
    return filter && mapSparse(filter, (name) => ids.get(name) as ObjectId)
  }

  #tags(): PackRequest['tags'] {
    const { set } = this.#repository
    const width = hashBytes(set.format)
    const tags: { number: number; target: number }[] = []
    for (let at = 0; at < this.#task.tags.length; at += width * 2) {
      const number = set.find(this.#task.tags, at)
      const target = set.find(this.#task.tags, at + width)
      if (number >= 0 && target >= 0) tags.push({ number, target })
    }
    return tags
  }

  #answer(pack: PackRequest | null): Negotiated {
    return { preamble: this.#out.take(), pack, common: this.#request.conversation === null ? [] : this.#common }
  }
}
