// The root document and /meta: where things are, and what this is.
import Type from 'typebox'
import type { Routes } from '../http/index.ts'
import { originOf } from './documents.ts'
import type { ApiOptions } from './index.ts'

const tags = ['Meta']
const RootJson = Type.Object({
  current_user_url: Type.String(),
  repository_url: Type.String(),
  user_url: Type.String(),
  user_repositories_url: Type.String(),
})
const MetaJson = Type.Object({ verifiable_password_authentication: Type.Boolean(), installed_version: Type.String() })

export function registerMeta(routes: Routes, options: ApiOptions): void {
  routes.get(
    '/',
    { config: { access: 'public' }, schema: { tags, summary: 'Where things are', response: { 200: RootJson } } },
    async (request) => {
      const base = `${originOf(request, options.publicUrl)}/api/v3`
      return {
        current_user_url: `${base}/user`,
        repository_url: `${base}/repos/{owner}/{repo}`,
        user_url: `${base}/users/{user}`,
        user_repositories_url: `${base}/users/{user}/repos{?type,page,per_page,sort}`,
      }
    },
  )
  // Passwords don't exist here: only tokens.
  routes.get(
    '/meta',
    { config: { access: 'public' }, schema: { tags, summary: 'What this server is', response: { 200: MetaJson } } },
    async () => ({
      verifiable_password_authentication: false,
      installed_version: options.version,
    }),
  )
}
