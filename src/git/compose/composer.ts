// Writing by the API, where the request is (docs/design/api-writes.md): a worker makes the objects, they are taken in as a push's are, and refs move by a push.
import type { FastifyRequest } from 'fastify'
import { findQuota } from '../../access/index.ts'
import { InputError, MessageStream, Places, UnavailableError } from '../../base/index.ts'
import { concatBytes, fromHex } from '../../base/index.ts'
import { isCommitUnknown } from '../../db/index.ts'
import type { BrowserOptions, RepositoryView } from '../browse/index.ts'
import { ownObjects } from '../browse/own-objects.ts'
import { moverOf, scopeOf } from '../context.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { GitRoom } from '../git-room.ts'
import type { NetworkPacks } from '../odb/index.ts'
import { callOf } from '../http-call.ts'
import { assertPushEnabled, counted, pushSettingsOf, siblingTips, targetOf } from '../serve-push.ts'
import { type LocalCommand, type LocalOutcome, pushFsckOf, pushLocally } from '../receive-pack/index.ts'
import { headRef, moveRefs } from '../refs/index.ts'
import { packedTips } from '../upload-pack/fetch-task.ts'
import type { Composed, ComposeJob, ComposeKind, ResultOf, TaskOf } from './compose-job.ts'
import { NewObjects } from './new-objects.ts'

/** Objects of one write that are listed as the repository's own, the one that was asked for first. */
const mostOwn = 1000
/** For each worker. */
const jobsPerWorker = 4

export interface Wanted<K extends ComposeKind> {
  readonly kind: K
  readonly task: TaskOf<K>
  /** Ids that the task names. */
  readonly named: readonly ObjectId[]
}

export class Composer {
  readonly #room: GitRoom
  readonly #options: BrowserOptions
  readonly #places: Places

  constructor(room: GitRoom, options: BrowserOptions) {
    this.#room = room
    this.#options = options
    this.#places = new Places(Math.max(2, room.options.threads) * jobsPerWorker)
  }

  /**
   * Makes objects and stores them: the repository may read them, and build upon them, though no ref reaches them yet. `result.oid` is the one that was
   * asked for.
   * @throws InputError as the task's function, and `fsck`; Refusal 403 where the repository takes no pushes; UnavailableError
   */
  async make<K extends 'blob' | 'tree' | 'commit' | 'tag'>(
    request: FastifyRequest,
    view: RepositoryView,
    wanted: Wanted<K>,
  ): Promise<ResultOf<K>> {
    assertPushEnabled(this.#room, callOf(this.#room, request))
    return await this.#twice(async () => {
      const { composed, packs } = await this.#compose(request, view, wanted)
      await this.#store(request, view, packs, composed)
      return composed.result
    })
  }

  /** Makes something and stores nothing: a question. */
  async ask<K extends ComposeKind>(request: FastifyRequest, view: RepositoryView, wanted: Wanted<K>): Promise<ResultOf<K>> {
    return (await this.#compose(request, view, wanted)).composed.result
  }

  /**
   * Makes objects and moves refs to them, as a push of them would. `commandsOf` says which, by what was made; none: nothing is done.
   * @throws as `make`; what stands against the commands is in the outcome
   */
  async push<K extends ComposeKind>(
    request: FastifyRequest,
    view: RepositoryView,
    wanted: Wanted<K>,
    commandsOf: (result: ResultOf<K>) => readonly LocalCommand[],
  ): Promise<{ readonly result: ResultOf<K>; readonly outcome: LocalOutcome }> {
    assertPushEnabled(this.#room, callOf(this.#room, request))
    return await this.#twice(async () => {
      const { composed } = await this.#compose(request, view, wanted)
      const commands = commandsOf(composed.result)
      const outcome =
        commands.length === 0 ? { errors: [], said: '' } : await this.#push(request, view, commands, composed.pack, wanted.named)
      return { result: composed.result, outcome }
    })
  }

  /** Moves refs to what is there. As `push`. @param named ids that the request brought */
  async move(
    request: FastifyRequest,
    view: RepositoryView,
    commands: readonly LocalCommand[],
    named: readonly ObjectId[],
  ): Promise<LocalOutcome> {
    assertPushEnabled(this.#room, callOf(this.#room, request))
    const empty = new NewObjects(view.repository.objectFormat).pack((bytes) => bytes)
    return await this.#twice(async () => await this.#push(request, view, commands, empty, named))
  }

  /** Objects left the network meanwhile: seldom, and over when it is tried again. */
  async #twice<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof UnavailableError) || error.code !== 'objects-left') throw error
      return await work()
    }
  }

  async #compose<K extends ComposeKind>(request: FastifyRequest, view: RepositoryView, wanted: Wanted<K>) {
    try {
      return await this.#run(view, wanted, [])
    } catch (error) {
      // what siblings have counts as in a push, and is asked for when nothing else has it
      const isMissing = error instanceof InputError && error.code === 'object-missing'
      if (!isMissing || !view.repository.isShared) throw error
      return await this.#run(view, wanted, await siblingTips(this.#room, request.identity, view.repository, counted))
    }
  }

  async #run<K extends ComposeKind>(view: RepositoryView, { kind, named, task }: Wanted<K>, more: readonly ObjectId[]) {
    const { options, packs: store, settings, views, workers } = this.#room
    const { repository, refs } = view
    const late = AbortSignal.timeout(this.#options.timeLimitMs)
    const free = await this.#places.take()
    try {
      const own = named.length === 0 ? new Set<string>() : await ownObjects(options.db.queries, repository.id, named, this.#options.graceS)
      const packs = await store.open(repository.networkId) // after the refs: they may rest on no newer pack
      const head = headRef(refs)
      const tips = views.once(refs, packedTips)
      const permission = {
        tips: more.length === 0 ? tips : concatBytes([tips, ...more.map((oid) => fromHex(oid))]),
        likely: head ? fromHex(head.oid) : new Uint8Array(0),
        own: [...own] as ObjectId[],
      }
      const { cutOff } = settings.read(repository.settings)
      const job: ComposeJob = { packs: packs.handle, cutOff, permission, kind, task }
      const composed = await workers.run('compose', job, [], (port) => new MessageStream<Composed<ResultOf<K>>>(port).message(), late)
      return { composed, packs }
    } catch (cause) {
      if (!late.aborted) throw cause
      throw new UnavailableError('request-time', 'the answer took longer than a request may', { cause })
    } finally {
      free()
    }
  }

  async #store(
    request: FastifyRequest,
    { repository }: RepositoryView,
    packs: NetworkPacks,
    composed: Composed<{ readonly oid: ObjectId }>,
  ) {
    const { options, packs: store, receive, refs } = this.#room
    const settings = pushSettingsOf(this.#room, callOf(this.#room, request))
    const { oid } = composed.result
    const questions = {
      packs: packs.handle,
      networkId: repository.networkId,
      tips: [oid],
      fsck: pushFsckOf(settings.push.fsck, repository.objectFormat).settings,
      buildOn: null, // what the new objects refer to was looked at before they were made
      shallows: [],
      cutOff: settings.cutOff,
      ancestry: [],
      maxInputBytes: settings.push.maxInputBytes,
    }
    const staged = await receive.intake.take(questions, once(composed.pack), () => {})
    try {
      await moveRefs(options.db, refs, {
        repositoryId: repository.id,
        networkId: repository.networkId,
        generation: packs.generation,
        by: moverOf(request.identity, repository),
        changes: [],
        atomic: true,
        pack: staged.pack,
        keepsPack: true,
        brought: [oid],
        written: [oid, ...composed.ids.filter((id) => id !== oid)].slice(0, mostOwn),
      })
    } catch (error) {
      if (!isCommitUnknown(error)) await staged.discard()
      throw error
    }
    // the next request finds it loaded
    if (staged.pack.tail) void store.open(repository.networkId).catch(() => {})
  }

  async #push(
    request: FastifyRequest,
    { repository, refsVersion }: RepositoryView,
    commands: readonly LocalCommand[],
    pack: Uint8Array,
    named: readonly ObjectId[],
  ): Promise<LocalOutcome> {
    const { db } = this.#room.options
    const call = callOf(this.#room, request)
    const target = { ...targetOf(repository), refsVersion }
    const push = {
      objectFormat: repository.objectFormat,
      target,
      by: moverOf(request.identity, repository),
      settings: pushSettingsOf(this.#room, call),
      quota: async () => findQuota(db, repository.ownerId),
      scope: scopeOf(this.#room, call, 'push'),
      hooks: call.hooks,
      siblingTips: async () => {
        const own = await ownObjects(db.queries, repository.id, named, this.#options.graceS)
        return [...(own as ReadonlySet<ObjectId>), ...(await siblingTips(this.#room, request.identity, repository, counted))]
      },
    }
    const outcome = await pushLocally(this.#room.receive, push, commands, pack)
    void this.#room.packs.open(repository.networkId).catch(() => {})
    return outcome
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
