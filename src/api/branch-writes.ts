// POST /repos/{owner}/{repo}/merges and /branches/{branch}/rename (GitHub REST "Branches").
import Type from 'typebox'
import { actorOf, onRepository, repositoryOf, updateRepository } from '../access/index.ts'
import { type CommitValue, findProtection, unsigned } from '../git/index.ts'
import { notFound, Refusal, type Routes } from '../http/index.ts'
import { branchJson, branchNotFound } from './branches.ts'
import { RepositoryCall, restOf } from './repository-call.ts'
import { commitJson } from './git-documents.ts'
import { assertRefName, mostTries } from './git-ref-writes.ts'
import { BranchJson, CommitJson, RestParams } from './git-schemas.ts'
import { NewMergeJson, RenameJson } from './git-write-schemas.ts'
import { asRefusal, assertText, isLost, refusalOf, signerOf } from './git-writing.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson, RepositoryParams } from './schemas.ts'

const tags = ['Branch']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 409: ErrorJson, 422: ErrorJson }
const heads = 'refs/heads/'

export function registerBranchWrites(routes: Routes, options: ApiOptions): void {
  const merging = {
    tags,
    summary: 'Merges one branch into another',
    params: RepositoryParams,
    body: NewMergeJson,
    response: { 201: CommitJson, 204: Type.Null(), ...errors },
  }
  const access = onRepository('repository:push')
  routes.post('/repos/:owner/:repo/merges', { config: { access }, schema: merging }, async (request, reply) => {
    const { base: baseName, commit_message: message, head: headName } = request.body
    const by = signerOf(options, request, undefined, 'author')
    const commit = {
      author: by,
      committer: by,
      message: assertText(message ?? `Merge ${headName} into ${baseName}`, 'commit_message'),
      signature: null,
    }
    for (let tries = 1; ; tries++) {
      const call = await (tries === 1 ? RepositoryCall.of(options, request) : RepositoryCall.now(options, request))
      const ref = heads + baseName.replace(/^refs\/heads\//, '')
      const base = call.view.refs.byName.get(ref)?.oid
      if (!base) throw new Refusal(404, 'not-found', 'Base does not exist')
      const missing = () => new Refusal(404, 'not-found', 'Head does not exist')
      const head = (await call.ask('showCommit', { name: call.named(headName, missing), files: null }, missing)).commit.oid
      const { outcome, result } = await options.git.composer
        .push(request, call.view, { kind: 'merge', task: { base, head, commit }, named: [head] }, (made: CommitValue | null) =>
          made === null ? [] : [{ ref, old: base, fresh: made.oid }],
        )
        .catch((error: unknown) => {
          throw asRefusal(error)
        })
      if (result === null) return reply.code(204).send(null)
      if (tries < mostTries && isLost(outcome)) continue
      const refusal = refusalOf(outcome)
      if (refusal) throw refusal
      return reply.code(201).send(commitJson(call.urls, result, unsigned))
    }
  })

  // whoever may only push may rename no default branch: HEAD is the repository's own affair
  const config = { access: onRepository('repository:administer'), encodedSlash: true }
  const renaming = { tags, summary: 'Renames a branch', params: RestParams, body: RenameJson, response: { 201: BranchJson, ...errors } }
  routes.post('/repos/:owner/:repo/branches/*', { config, schema: renaming }, async (request, reply) => {
    const name = /^(.+)\/rename$/s.exec(restOf(request))?.[1]
    if (name === undefined) throw notFound()
    const call = await RepositoryCall.of(options, request)
    const [from, to] = [heads + name, heads + request.body.new_name]
    assertRefName(to)
    const tip = call.view.refs.byName.get(from)
    if (!tip) throw branchNotFound()
    if (call.view.refs.byName.has(to)) throw new Refusal(422, 'invalid', 'Branch already exists')
    const created = { ref: to, old: null, fresh: tip.oid }
    const gone = { ref: from, old: tip.oid, fresh: null }
    const isDefault = call.view.refs.head === from
    // HEAD's branch can't go, so HEAD moves between the two
    for (const commands of isDefault ? [[created], [gone]] : [[created, gone]]) {
      if (commands[0] === gone) await updateRepository(options.db, repositoryOf(request).id, { head: to }, actorOf(request))
      const view = (await RepositoryCall.now(options, request)).view
      const refusal = refusalOf(await options.git.composer.move(request, view, commands, [tip.oid]))
      if (refusal === null) continue
      // what may not go (a rule, receive.denyDeletes) is what HEAD names, as before
      if (commands[0] === gone) {
        await updateRepository(options.db, repositoryOf(request).id, { head: from }, actorOf(request))
        await options.git.composer.move(
          request,
          (await RepositoryCall.now(options, request)).view,
          [{ ref: to, old: tip.oid, fresh: null }],
          [],
        )
      }
      throw refusal
    }
    const now = await RepositoryCall.now(options, request)
    const isProtected = await findProtection(options.db.queries, now.view.repository)
    return reply.code(201).send(await branchJson(now, { name: to, oid: tip.oid }, isProtected(to)))
  })
}
