// /repos/{owner}/{repo}/git-config: Git's own settings of a repository, by the names that git-config(1) gives them. Ours; GitHub has nothing like it.
import type { Static } from 'typebox'
import { actorOf, onRepository, repositoryOf, updateRepository } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { changeSettings, type GitConfig } from '../git/index.ts'
import { notFound, type Routes, validationFailed } from '../http/index.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson, GitConfigChangeJson, GitConfigJson, RepositoryParams } from './schemas.ts'

const tags = ['Repository']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

export function registerGitConfig(routes: Routes, { db }: ApiOptions): void {
  const access = onRepository('repository:administer')
  const reading = {
    tags,
    summary: 'Git’s own settings of the repository (Stemma’s own)',
    params: RepositoryParams,
    response: { 200: GitConfigJson, ...errors },
  }
  routes.get('/repos/:owner/:repo/git-config', { config: { access }, schema: reading }, async (request) =>
    shown(repositoryOf(request).settings),
  )

  const changing = {
    tags,
    summary: 'Changes Git’s settings of the repository (Stemma’s own)',
    params: RepositoryParams,
    body: GitConfigChangeJson,
    response: { 200: GitConfigJson, ...errors },
  }
  routes.patch('/repos/:owner/:repo/git-config', { config: { access }, schema: changing }, async (request) => {
    const given = Object.entries(request.body).map(([key, value]) => [key, valuesOf(value)] as const)
    // what was shown comes back: the secret stays what it is
    const changes = Object.fromEntries(given.filter(([key, values]) => !(isSecret(key) && values.length > 0 && values.every(isShown))))
    const settings = (present: GitConfig): GitConfig => changeSettings(present, changes)
    const repository = await updateRepository(db, repositoryOf(request).id, { settings }, actorOf(request)).catch(asFault)
    if (repository === null) throw notFound()
    return shown(repository.settings)
  })
}

const hidden = '(set)'
const isSecret = (key: string) => /(?:seed|token)$/i.test(key)
const isShown = (value: string) => value === hidden

/** Secrets are told to nobody: that they are set is. */
function shown(settings: GitConfig): Record<string, string[]> {
  return Object.fromEntries(Object.entries(settings).map(([key, values]) => [key, isSecret(key) ? values.map(() => hidden) : [...values]]))
}

function valuesOf(value: Static<typeof GitConfigChangeJson>[string]): readonly string[] {
  if (value === null) return []
  return Array.isArray(value) ? value : [String(value)]
}

function asFault(error: unknown): never {
  if (!(error instanceof InputError) || error.code !== 'git-setting') throw error
  throw validationFailed([{ field: 'git-config', code: 'invalid', message: error.message }])
}
