// /repos/{owner}/{repo}/compare/{base}...{head} (GitHub REST "Commits"). Either side may be of another repository of the network, as `owner:name`, where
// the caller may read that.
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { onRepository, readableSiblings } from '../access/index.ts'
import type { AnswerOf, ObjectId, CommitValue, Verification } from '../git/index.ts'
import { notFound, type Routes } from '../http/index.ts'
import { sendText } from './commits.ts'
import { RepositoryCall, mediaOf, restOf, setLink, urlOf } from './repository-call.ts'
import { commitJson, fileDiffJson } from './git-documents.ts'
import { ComparisonJson, PageQuery, RestParams } from './git-schemas.ts'
import type { ApiOptions } from './index.ts'
import { type MadeAnswers, sendMade } from './made-answers.ts'
import { linkHeader, pageOf } from './paging.ts'
import { ErrorJson } from './schemas.ts'

const tags = ['Commit']
const errors = { 304: Type.Null(), 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 409: ErrorJson, 422: ErrorJson }
/** GitHub's. */
const mostFiles = 300
const mostCommits = 250
/** Of the network, so many are looked through for an owner's. */
const mostSiblings = 1000

export function registerCompare(routes: Routes, options: ApiOptions, made: MadeAnswers): void {
  const schema = {
    tags,
    summary: 'What is in one commit and not in another, and how their files differ: BASE...HEAD',
    params: RestParams,
    querystring: PageQuery,
    response: { 200: ComparisonJson, ...errors },
  }
  const config = { access: onRepository('repository:read'), encodedSlash: true }
  routes.get('/repos/:owner/:repo/compare/*', { config, schema }, async (request, reply) => answerComparison(options, made, request, reply))
}

async function answerComparison(options: ApiOptions, made: MadeAnswers, request: FastifyRequest, reply: FastifyReply) {
  const call = await RepositoryCall.of(options, request)
  const wanted = restOf(request)
  const [, baseName, headName] = /^(.+?)\.\.\.(.+)$/s.exec(wanted) ?? []
  if (baseName === undefined || headName === undefined) throw notFound()
  const ids = [await commitOf(options, call, request, baseName), await commitOf(options, call, request, headName)] as const
  const [base, head] = [call.tip(ids[0]), call.tip(ids[1])]
  const media = mediaOf(request)
  if (media === 'diff' || media === 'patch') return sendText(reply, media, await call.ask('compareText', { base, head, form: media }))
  const { page, per_page: perPage } = request.query as { page?: number; per_page?: number }
  const isPaged = page !== undefined || perPage !== undefined
  const commits = isPaged ? pageOf({ page: page ?? 1, per_page: perPage ?? 100 }) : { page: 1, perPage: mostCommits }
  const skip = isPaged ? (commits.page - 1) * commits.perPage : null
  const range = `${baseName}...${headName}`
  const parts = [options.version, 'compare', call.urls.api, range, ...ids, skip ?? 'last', commits.perPage, await call.signingVersion()]
  const make = async () => {
    const answer = await call.ask('compare', { base, head, skip, most: commits.perPage, mostFiles: commits.page === 1 ? mostFiles : 0 })
    const { base: of, commits: shown, mergeBase } = answer
    const verdictOn = await call.verifyAll([of, mergeBase, ...shown])
    const isLasting = [of, mergeBase, ...shown].every((commit) => verdictOn(commit).isLasting)
    return { document: comparisonJson(call, range, answer, verdictOn), total: answer.aheadCount, isLasting }
  }
  return await sendMade(made, request, reply, parts, make, (total) => {
    if (isPaged) setLink(reply, linkHeader(urlOf(request, options.publicUrl), commits, total))
  })
}

/** What `name`, or `owner:name` of a repository of the network, leads to. */
async function commitOf({ db, git }: ApiOptions, call: RepositoryCall, request: FastifyRequest, text: string): Promise<ObjectId> {
  const colon = text.indexOf(':')
  if (colon < 0) return await call.commitOf(text)
  const owner = text.slice(0, colon).toLowerCase()
  const { repository } = call.view
  if (owner === repository.ownerLogin.toLowerCase()) return await call.commitOf(text.slice(colon + 1))
  const siblings = await readableSiblings(db.queries, request.identity, repository, mostSiblings)
  const sibling = siblings.find(({ ownerLogin }) => ownerLogin.toLowerCase() === owner)
  const name = sibling && git.browser.name(await git.browser.view(request, sibling), text.slice(colon + 1))
  if (!name) throw notFound()
  return await call.ask('commitOf', { name })
}

function comparisonJson(
  { urls }: RepositoryCall,
  range: string,
  answer: AnswerOf<'compare'>,
  verdictOn: (commit: CommitValue) => Verification,
): ComparisonJson {
  const { aheadCount, base, behindCount, commits, diff, head, mergeBase } = answer
  const status = aheadCount > 0 ? (behindCount > 0 ? 'diverged' : 'ahead') : behindCount > 0 ? 'behind' : 'identical'
  const html = `${urls.html}/compare/${range.split('/').map(encodeURIComponent).join('/')}`
  return {
    url: `${urls.api}/compare/${encodeURIComponent(range)}`,
    html_url: html,
    permalink_url: `${urls.html}/compare/${base.oid}...${head}`,
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    base_commit: commitJson(urls, base, verdictOn(base)),
    merge_base_commit: commitJson(urls, mergeBase, verdictOn(mergeBase)),
    status,
    ahead_by: aheadCount,
    behind_by: behindCount,
    total_commits: aheadCount,
    commits: commits.map((commit) => commitJson(urls, commit, verdictOn(commit))),
    files: diff.files.map((file) => fileDiffJson(urls, file, file.status === 'removed' ? mergeBase.oid : head)),
  }
}
