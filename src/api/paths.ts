// /repos/{owner}/{repo}/tree-commits/{path} and /blame/{path}: ours.
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { onRepository } from '../access/index.ts'
import type { AnswerOf, CommitValue } from '../git/index.ts'
import { notFound, Refusal, type Routes } from '../http/index.ts'
import { RefQuery } from './contents-schemas.ts'
import { typeOf } from './contents.ts'
import { modeText, personJson } from './git-documents.ts'
import { RestParams } from './git-schemas.ts'
import type { ApiOptions } from './index.ts'
import { type MadeAnswers, sendMade } from './made-answers.ts'
import { BlameJson, FolderCommitsJson, type ShortCommitJson } from './path-schemas.ts'
import { type GitUrls, RepositoryCall, restOf, treePath } from './repository-call.ts'
import { ErrorJson, RepositoryParams } from './schemas.ts'

const tags = ['Contents']
const errors = { 304: Type.Null(), 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 409: ErrorJson, 422: ErrorJson }

export function registerPaths(routes: Routes, options: ApiOptions, made: MadeAnswers): void {
  const config = { access: onRepository('repository:read'), encodedSlash: true }
  for (const url of ['/repos/:owner/:repo/tree-commits', '/repos/:owner/:repo/tree-commits/*']) {
    const params = url.endsWith('*') ? RestParams : RepositoryParams
    const schema = {
      tags,
      summary: 'What a folder holds, with the last commit of each entry (Stemma’s own)',
      params,
      querystring: RefQuery,
      response: { 200: FolderCommitsJson, ...errors },
    }
    routes.get(url, { config, schema }, async (request, reply) => {
      const { call, commit, question, ref } = await asked(options, request)
      const parts = [options.version, 'folder', call.urls.api, commit, question.path, ref]
      const make = async () => ({ document: folderJson(call.urls, await call.ask('folderCommits', question), ref) })
      return await sendMade(made, request, reply, parts, make)
    })
  }
  const schema = {
    tags,
    params: RestParams,
    summary: 'Who wrote which lines of a file (Stemma’s own)',
    querystring: RefQuery,
    response: { 200: BlameJson, ...errors },
  }
  routes.get('/repos/:owner/:repo/blame/*', { config, schema }, async (request, reply) => {
    const { call, commit, question } = await asked(options, request)
    const parts = [options.version, 'blame', call.urls.api, commit, question.path]
    const make = async () => ({ document: blameJson(call.urls, question.path, await call.ask('blame', question)) })
    return await sendMade(made, request, reply, parts, make)
  })
}

async function asked(options: ApiOptions, request: FastifyRequest) {
  const call = await RepositoryCall.of(options, request)
  if (call.isEmpty) throw new Refusal(404, 'not-found', 'This repository is empty.')
  const { ref } = request.query as { ref?: string }
  const path = treePath(restOf(request))
  if (path === null) throw notFound()
  const commit = await call.commitOf(ref ?? 'HEAD', () => new Refusal(404, 'not-found', `No commit found for the ref ${ref}`))
  return { call, commit, question: { name: call.tip(commit), path }, ref: ref ?? call.defaultBranch }
}

function shortCommitJson(urls: GitUrls, { author, committer, message, oid }: CommitValue): ShortCommitJson {
  return {
    sha: oid,
    url: urls.commit(oid),
    html_url: urls.page('commit', oid),
    message_headline: message.split('\n', 1)[0] ?? '',
    author: author && personJson(author),
    committer: committer && personJson(committer),
  }
}

function folderJson(urls: GitUrls, { commits, entries }: AnswerOf<'folderCommits'>, ref: string): FolderCommitsJson {
  const shown = commits.map((commit) => shortCommitJson(urls, commit))
  return entries.map(({ last, mode, oid, path, sizeBytes }) => ({
    name: path.slice(path.lastIndexOf('/') + 1),
    path,
    type: typeOf(mode),
    mode: modeText(mode),
    sha: oid,
    size: sizeBytes ?? 0,
    url: urls.contents(path, ref),
    commit: shown[last] as ShortCommitJson,
  }))
}

function blameJson(urls: GitUrls, path: string, { blob, commit, commits, ranges }: AnswerOf<'blame'>): BlameJson {
  const shown = commits.map((one) => shortCommitJson(urls, one))
  const times = commits.map(({ committer }) => committer?.seconds ?? 0)
  const [oldest, newest] = [Math.min(...times), Math.max(...times)]
  const age = (time: number) => (newest === oldest ? 1 : 1 + Math.round(((newest - time) / (newest - oldest)) * 9))
  return {
    sha: blob,
    commit_sha: commit,
    path,
    ranges: ranges.map(({ count, from, originStart, path: origin, start }) => ({
      starting_line: start,
      ending_line: start + count - 1,
      age: age(times[from] as number),
      original_path: origin,
      original_starting_line: originStart,
      commit: shown[from] as ShortCommitJson,
    })),
  }
}
