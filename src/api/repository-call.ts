// What the routes of the Git half have in common: the repository as the request sees it, GitHub's words for what isn't there, URLs.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Clock, InputError } from '../base/index.ts'
import {
  type AnswerOf,
  type Browser,
  type BrowseKind,
  type CommitValue,
  type Composer,
  type Named,
  type ObjectId,
  type QuestionOf,
  type readGpgKey,
  type RepositoryView,
  type SignatureVerifier,
  type TagValue,
  unsigned,
  type Verification,
} from '../git/index.ts'
import { notFound, Refusal } from '../http/index.ts'
import { originOf } from './documents.ts'
import type { ApiOptions } from './index.ts'
import type { Page } from './paging.ts'

/** What the Git half of the API stands on. */
export interface GitApi {
  readonly browser: Pick<Browser, 'ask' | 'name' | 'tip' | 'view' | 'viewNow'>
  readonly composer: Pick<Composer, 'ask' | 'make' | 'move' | 'push'>
  readonly clock: Clock
  readonly signatures: Pick<SignatureVerifier, 'verify' | 'version'>
  /** What an OpenPGP key says of itself. InputError `bad-gpg-key`. */
  readonly readGpgKey: (text: string) => ReturnType<typeof readGpgKey>
}

const heads = 'refs/heads/'

/** One request to a repository. */
export class RepositoryCall {
  readonly view: RepositoryView
  readonly urls: GitUrls
  readonly #browser: GitApi['browser']
  readonly #signatures: GitApi['signatures']

  private constructor({ browser, signatures }: GitApi, view: RepositoryView, urls: GitUrls) {
    this.#browser = browser
    this.#signatures = signatures
    this.view = view
    this.urls = urls
  }

  static async of({ git, publicUrl }: Pick<ApiOptions, 'git' | 'publicUrl'>, request: FastifyRequest): Promise<RepositoryCall> {
    const view = await git.browser.view(request)
    const { ownerLogin, name } = view.repository
    return new RepositoryCall(git, view, new GitUrls(originOf(request, publicUrl), `${ownerLogin}/${name}`))
  }

  /** The same as things are now. */
  static async now({ git, publicUrl }: Pick<ApiOptions, 'git' | 'publicUrl'>, request: FastifyRequest): Promise<RepositoryCall> {
    const { urls } = await RepositoryCall.of({ git, publicUrl }, request)
    return new RepositoryCall(git, await git.browser.viewNow(request), urls)
  }

  get isEmpty(): boolean {
    return this.view.refs.refs.length === 0
  }

  /** The branch that is meant where none is said. */
  get defaultBranch(): string {
    return this.view.refs.head.replace(/^refs\/heads\//, '')
  }

  /** Refusal 409 where there is nothing yet. */
  assertNotEmpty(): void {
    if (this.isEmpty) throw new Refusal(409, 'empty-repository', 'Git Repository is empty.')
  }

  /** Whose the signatures are, for each of those commits and tags. */
  async verifyAll(values: readonly (CommitValue | TagValue)[]): Promise<(value: CommitValue | TagValue) => Verification> {
    const objects = values.map((value) => {
      const { oid, payload, payloadBytes, signature } = value
      const person = 'committer' in value ? value.committer : value.tagger
      return { oid, signature, payload: payloadBytes ?? (payload === null ? null : Buffer.from(payload)), email: person?.email ?? null }
    })
    const verdicts = await this.#signatures.verify(objects)
    const byOid = new Map(objects.map(({ oid }, place) => [oid, verdicts[place] ?? unsigned]))
    return ({ oid }) => byOid.get(oid) ?? unsigned
  }

  /** What is made of verdicts is good for one of these. */
  async signingVersion(): Promise<number> {
    return await this.#signatures.version()
  }

  async verify(value: CommitValue | TagValue): Promise<Verification> {
    return (await this.verifyAll([value]))(value)
  }

  /** What a ref is at. */
  tip(oid: ObjectId): Named {
    return this.#browser.tip(oid)
  }

  /** `missing` makes the answer where there is no such name. */
  named(text: string, missing: () => Error = notFound): Named {
    const named = this.#browser.name(this.view, text)
    if (named === null) throw missing()
    return named
  }

  /** The commit that a name leads to, which the request may see. Where a branch says it, no worker is asked. @param missing as `ask` */
  async commitOf(text: string, missing: () => Error = notFound): Promise<ObjectId> {
    const name = this.named(text, missing)
    const { byName, head } = this.view.refs
    // what branches are at are commits: the refs' transaction sees to it
    const branch = byName.get(text === 'HEAD' && head.startsWith(heads) ? head : heads + text)?.oid
    return branch !== undefined && branch === name.id ? branch : await this.ask('commitOf', { name }, missing)
  }

  /** @param missing makes the answer where what is asked about isn't there; as the question's own errors else */
  async ask<K extends BrowseKind>(kind: K, question: QuestionOf<K>, missing: () => Error = notFound): Promise<AnswerOf<K>> {
    try {
      return await this.#browser.ask(this.view, kind, question)
    } catch (error) {
      if (error instanceof InputError && error.code === 'no-such-object') throw missing()
      if (error instanceof InputError && error.code === 'no-common-ancestor')
        throw new Refusal(404, 'not-found', `Not Found: ${error.message}`)
      if (error instanceof InputError && error.code === 'blame-too-large') throw new Refusal(422, 'invalid', error.message)
      throw error
    }
  }
}

/** Every URL of a repository's Git half. */
export class GitUrls {
  readonly api: string
  readonly html: string

  constructor(origin: string, fullName: string) {
    this.api = `${origin}/api/v3/repos/${fullName}`
    this.html = `${origin}/${fullName}`
  }

  git(kind: 'blobs' | 'commits' | 'tags' | 'trees', oid: string): string {
    return `${this.api}/git/${kind}/${oid}`
  }

  /** @param name with `refs/` before it */
  ref(name: string): string {
    return `${this.api}/git/${encodePath(name)}`
  }

  commit(oid: string): string {
    return `${this.api}/commits/${oid}`
  }

  contents(path: string, ref: string): string {
    return `${this.api}/contents/${encodePath(path)}?ref=${encodeURIComponent(ref)}`
  }

  raw(path: string, ref: string): string {
    return `${this.api}/raw/${encodePath(path)}?ref=${encodeURIComponent(ref)}`
  }

  /** Pages, when there are some. */
  page(kind: 'blob' | 'tree' | 'commit' | 'raw', ref: string, path?: string): string {
    return [this.html, kind, encodePath(ref), ...(path === undefined || path === '' ? [] : [encodePath(path)])].join('/')
  }
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}

/** What stands behind the route's fixed part, decoded. */
export function restOf(request: FastifyRequest): string {
  return (request.params as { '*'?: string })['*'] ?? ''
}

/**
 * A path in a tree as a client may give it: without slashes at its ends; null where it can be none. (Paths in URLs were looked at by the listener
 * already; those in bodies weren't.)
 */
export function treePath(text: string): string | null {
  const path = text.replace(/^\/+|\/+$/g, '')
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000\ud800-\udfff]/.test(path) && /\u0000|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(path))
    return null
  return path.split('/').some((part, _, parts) => (part === '' && parts.length > 1) || part === '.' || part === '..') ? null : path
}

/** The Link header of a list whose end isn't known. */
export function openLinkHeader(url: string, { page }: Page, isMore: boolean): string | null {
  const to = (target: number, relation: string): string => {
    const link = new URL(url)
    link.searchParams.set('page', String(target))
    return `<${link.href}>; rel="${relation}"`
  }
  const links = [
    ...(page > 1 ? [to(page - 1, 'prev')] : []),
    ...(isMore ? [to(page + 1, 'next')] : []),
    ...(page > 1 ? [to(1, 'first')] : []),
  ]
  return links.length === 0 ? null : links.join(', ')
}

export function setLink(reply: FastifyReply, link: string | null): void {
  if (link !== null) reply.header('link', link)
}

/** The request's own URL, with its query. */
export function urlOf(request: FastifyRequest, publicUrl: string | null): string {
  return `${originOf(request, publicUrl)}${request.raw.url ?? ''}`
}

/** GitHub's own media types: `raw`, `object`, `diff`, `patch`, `sha`; null: plain JSON. */
export function mediaOf(request: FastifyRequest): string | null {
  for (const part of (request.headers.accept ?? '').split(',')) {
    const found = /^\s*application\/vnd\.github(?:\.v3|\.[\w-]+-preview)?[.](raw|object|diff|patch|sha)(?:\+json)?\s*(?:;|$)/.exec(part)
    if (found?.[1] !== undefined) return found[1]
  }
  return null
}

/** Of what names an object and says whose its signature is: keys come and go. */
export function tagOf(oid: string, { reason, verifiedAt }: Verification): string {
  return reason === 'unsigned' ? oid : `${oid}-${reason}-${verifiedAt?.getTime() ?? 0}`
}

/**
 * A strong validator for what never changes under its name, said before the work is done; true when the client has it already. Only behind a look
 * whether the request may see the thing at all.
 */
export function isUnchanged(request: FastifyRequest, reply: FastifyReply, tag: string): boolean {
  reply.header('etag', `"${tag}"`)
  const known = request.headers['if-none-match']
  if (known === undefined) return false
  return known.split(',').some((entry) => entry.trim().replace(/^W\//, '') === `"${tag}"`)
}
