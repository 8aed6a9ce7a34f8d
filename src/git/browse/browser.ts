// Reading a repository piece by piece, where the request is: which refs it may see, which name stands for what, and a worker that finds the answer.
import type { FastifyRequest } from 'fastify'
import { type Repository, repositoryOf } from '../../access/index.ts'
import { InputError, MessageStream, Places, UnavailableError } from '../../base/index.ts'
import { scopeOf } from '../context.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { GitRoom } from '../git-room.ts'
import { callOf } from '../http-call.ts'
import { everything, type RefScope, type VisibleRefs } from '../refs/index.ts'
import { packedTips } from '../upload-pack/fetch-task.ts'
import type { AnswerOf, BrowseJob, BrowseKind, QuestionOf } from './browse-job.ts'
import { type Named, parseName } from './named.ts'
import { ownObjects } from './own-objects.ts'

/** A repository as one request may see it, at one moment. */
export interface RepositoryView {
  readonly repository: Repository
  readonly refs: VisibleRefs
  readonly refsVersion: number
}

export interface BrowserOptions {
  /** What a request may take of a worker's time and everybody's patience. */
  readonly timeLimitMs: number
  /** How long objects that no ref names stay (git.collectGraceMs). */
  readonly graceS: number
}

/** For each worker, so many questions at once: as many as keep it busy while some wait for the bucket. */
const questionsPerWorker = 8

export class Browser {
  readonly #room: GitRoom
  readonly #options: BrowserOptions
  readonly #places: Places
  /** For questions that may take a worker for seconds: one for each, so that the others have their turns. */
  readonly #longPlaces: Places

  constructor(room: GitRoom, options: BrowserOptions) {
    this.#room = room
    this.#options = options
    const workers = Math.max(2, room.options.threads)
    this.#places = new Places(workers * questionsPerWorker)
    this.#longPlaces = new Places(workers)
  }

  /**
   * What the request sees of the repository that it names, as of the moment when the gate read its row; or of another one of the network, which the
   * caller may read: that is whoever asks here's business.
   */
  async view(request: FastifyRequest, repository: Repository = repositoryOf(request)): Promise<RepositoryView> {
    const { refs, settings, views } = this.#room
    const snapshot = await refs.read(repository.id, repository.refsVersion)
    const isOwn = repository.id === request.repository?.id
    const scope: RefScope = isOwn
      ? scopeOf(this.#room, callOf(this.#room, request), 'fetch')
      : { ...everything, hidden: settings.read(repository.settings).hidden.fetch }
    return { repository, refs: views.of(snapshot, scope), refsVersion: snapshot.version }
  }

  /** The view as it is now: after a change, or when one is under way. */
  async viewNow(request: FastifyRequest, repository: Repository = repositoryOf(request)): Promise<RepositoryView> {
    const { version } = await this.#room.refs.read(repository.id)
    const view = await this.view(request, { ...repository, refsVersion: version })
    // no packs that are at hand are known to be new enough
    return { ...view, repository: { ...repository, packsVersion: Number.MAX_SAFE_INTEGER } }
  }

  /** Null: no name of anything, and no beginning of an id. */
  name({ repository, refs }: RepositoryView, text: string): Named | null {
    return parseName(text, refs, repository.objectFormat, (all) => this.#room.views.once(all, packedTips))
  }

  /** What a ref is at. */
  tip(oid: ObjectId): Named {
    return { id: oid, isKnown: true, tips: new Uint8Array(0) }
  }

  /**
   * The answer of a worker. Names that it asks about come from `name` or `tip` of a view of the same network.
   * InputError `no-such-object`, or what the question's own function says; UnavailableError `request-time` when it takes too long.
   */
  async ask<K extends BrowseKind>(view: RepositoryView, kind: K, question: QuestionOf<K>): Promise<AnswerOf<K>> {
    try {
      return await this.#run(view, kind, question)
    } catch (error) {
      if (!(error instanceof InputError) || error.code !== 'no-such-object') throw error
      const again = await this.#withOwn(view, question)
      if (again === null) throw error
      return await this.#run(view, kind, again as QuestionOf<K>)
    }
  }

  async #run<K extends BrowseKind>(view: RepositoryView, kind: K, question: QuestionOf<K>): Promise<AnswerOf<K>> {
    const late = AbortSignal.timeout(this.#options.timeLimitMs)
    const free = await (isLong(kind, question) ? this.#longPlaces : this.#places).take()
    try {
      late.throwIfAborted()
      const { repository, refsVersion } = view
      const { handle } = await this.#room.packsUnder(repository, refsVersion)
      const packs = asksPaths(kind, question) ? await this.#room.pathTables.with(handle) : handle
      const { cutOff } = this.#room.settings.read(repository.settings)
      const job: BrowseJob = { packs, cutOff, kind, question }
      return await this.#room.workers.run('browse', job, [], (port) => new MessageStream<AnswerOf<K>>(port).message(), late)
    } catch (cause) {
      if (!late.aborted) throw cause
      throw new UnavailableError('request-time', 'the answer took longer than a request may', { cause })
    } finally {
      free()
    }
  }

  /** The question again, where it asks for objects that the repository wrote itself; null: it doesn't. */
  async #withOwn({ repository }: RepositoryView, question: object): Promise<object | null> {
    const names = Object.values(question).flatMap((value: unknown) => (isNamed(value) ? [value] : []))
    const open = names.filter(({ id, isKnown }) => !isKnown && (id.length === 40 || id.length === 64)).map(({ id }) => id)
    if (open.length === 0) return null
    const own = await ownObjects(this.#room.options.db.queries, repository.id, open, this.#options.graceS)
    if (own.size === 0) return null
    const known = (value: unknown) => (isNamed(value) && own.has(value.id) ? { ...value, isOwn: true } : value)
    return Object.fromEntries(Object.entries(question).map(([key, value]) => [key, known(value)]))
  }
}

/** Is the answer found by which commits changed which paths? */
function asksPaths(kind: BrowseKind, question: object): boolean {
  return kind === 'folderCommits' || kind === 'blame' || (kind === 'listCommits' && 'path' in question && question.path !== '')
}

const longKinds: ReadonlySet<BrowseKind> = new Set<BrowseKind>(['blame', 'commitText', 'compare', 'compareText', 'showCommit'])

/** Whether it may be about much: differences, or commits that have to be read until some are found. */
function isLong(kind: BrowseKind, question: object): boolean {
  if (kind === 'showCommit') return 'files' in question && question.files !== null
  if (kind !== 'listCommits') return longKinds.has(kind)
  return ('author' in question && question.author !== null) || ('committer' in question && question.committer !== null)
}

function isNamed(value: unknown): value is Named {
  return typeof value === 'object' && value !== null && 'id' in value && 'isKnown' in value
}
