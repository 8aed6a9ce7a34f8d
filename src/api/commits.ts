// /repos/{owner}/{repo}/commits and /compare (GitHub REST "Commits").
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { onRepository } from '../access/index.ts'
import { type AnswerOf, type CommitValue, type FileDiff, type Verification } from '../git/index.ts'
import { notFound, Refusal, type Routes, validationFailed } from '../http/index.ts'
import { RepositoryCall, mediaOf, openLinkHeader, restOf, setLink, treePath, urlOf } from './repository-call.ts'
import { commitJson, fileDiffJson } from './git-documents.ts'
import { CommitJson, CommitListQuery, FullCommitJson, PageQuery, RestParams } from './git-schemas.ts'
import type { ApiOptions } from './index.ts'
import { type MadeAnswers, sendMade } from './made-answers.ts'
import { linkHeader, pageOf } from './paging.ts'
import { ErrorJson, RepositoryParams } from './schemas.ts'

const tags = ['Commit']
const errors = { 304: Type.Null(), 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 409: ErrorJson, 422: ErrorJson }
const access = onRepository('repository:read')
/** GitHub's: files of one page where none is said, and of all pages. */
const filesPerPage = 300

export function registerCommits(routes: Routes, options: ApiOptions, made: MadeAnswers): void {
  const list = {
    tags,
    summary: 'Commits from a ref on: of a path, of an author, of some time',
    params: RepositoryParams,
    querystring: CommitListQuery,
    response: { 200: Type.Array(CommitJson), ...errors },
  }
  routes.get('/repos/:owner/:repo/commits', { config: { access }, schema: list }, async (request, reply) => {
    const call = await RepositoryCall.of(options, request)
    call.assertNotEmpty()
    const { author = null, committer = null, path = '', sha, since, until } = request.query
    const page = pageOf(request.query)
    const tree = treePath(path)
    if (tree === null) return []
    const question = {
      name: call.named(sha ?? 'HEAD'),
      since: secondsOf('since', since),
      until: secondsOf('until', until),
      author,
      committer,
      skip: (page.page - 1) * page.perPage,
      most: page.perPage,
    }
    const { commits, isMore, total } = await call.ask('listCommits', { ...question, path: tree })
    const url = urlOf(request, options.publicUrl)
    setLink(reply, total === null ? openLinkHeader(url, page, isMore) : linkHeader(url, page, total))
    const verdictOn = await call.verifyAll(commits)
    return commits.map((commit) => commitJson(call.urls, commit, verdictOn(commit)))
  })

  const one = {
    tags,
    summary: 'A commit with what it changed',
    params: RestParams,
    querystring: PageQuery,
    response: { 200: FullCommitJson, ...errors },
  }
  routes.get('/repos/:owner/:repo/commits/*', { config: { access, encodedSlash: true }, schema: one }, async (request, reply) =>
    answerCommit(options, made, request, reply),
  )
}

/** What GitHub has below a commit, and isn't here; a branch may be called so. */
const lackingBelow = /\/(?:branches-where-head|check-runs|check-suites|comments|pulls|status|statuses)$/

async function answerCommit(options: ApiOptions, made: MadeAnswers, request: FastifyRequest, reply: FastifyReply) {
  const call = await RepositoryCall.of(options, request)
  call.assertNotEmpty()
  const wanted = restOf(request)
  const missing = () => (lackingBelow.test(wanted) ? notFound() : new Refusal(422, 'invalid', `No commit found for SHA: ${wanted}`))
  const oid = await call.commitOf(wanted, missing)
  const name = call.tip(oid)
  const media = mediaOf(request)
  if (media === 'sha') return sendText(reply, 'sha', oid)
  if (media === 'diff' || media === 'patch') return sendText(reply, media, await call.ask('commitText', { name, form: media }))
  const { page, per_page: perPage = filesPerPage } = request.query as { page?: number; per_page?: number }
  const files = { page: Math.min(Math.max(page ?? 1, 1), 1_000_000), perPage: Math.min(Math.max(perPage, 1), filesPerPage) }
  const range = { from: (files.page - 1) * files.perPage, count: files.perPage }
  const parts = [options.version, 'commit', call.urls.api, oid, range.from, range.count, await call.signingVersion()]
  const make = async () => {
    const { commit, diff } = await call.ask('showCommit', { name, files: range })
    if (diff === null) throw notFound()
    const verification = await call.verify(commit)
    return { document: fullCommitJson(call, commit, diff, verification), total: diff.fileCount, isLasting: verification.isLasting }
  }
  return await sendMade(made, request, reply, parts, make, (total) =>
    setLink(reply, linkHeader(urlOf(request, options.publicUrl), files, total)),
  )
}

export function fullCommitJson(
  { urls }: RepositoryCall,
  commit: CommitValue,
  diff: NonNullable<AnswerOf<'showCommit'>['diff']>,
  verification: Verification,
): FullCommitJson {
  const { additions, deletions } = diff
  const refOf = ({ status }: FileDiff) => (status === 'removed' ? (commit.parents[0] ?? commit.oid) : commit.oid)
  return {
    ...commitJson(urls, commit, verification),
    stats: { total: additions + deletions, additions, deletions },
    files: diff.files.map((file) => fileDiffJson(urls, file, refOf(file))),
  }
}

export function sendText(reply: FastifyReply, media: string, body: string | Uint8Array) {
  return reply
    .type(`application/vnd.github.${media}; charset=utf-8`)
    .header('x-content-type-options', 'nosniff')
    .header('content-security-policy', "default-src 'none'; sandbox")
    .send(typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength)) as never
}

function secondsOf(field: string, text: string | undefined): number | null {
  if (text === undefined) return null
  const time = /^\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time)) throw validationFailed([{ field, code: 'invalid', message: `${field} must be a time in ISO 8601 format` }])
  return Math.floor(time / 1000)
}
