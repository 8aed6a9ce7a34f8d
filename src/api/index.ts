// api: GitHub's REST v3 shapes under /api/v3, so that its clients work with that base URL.
import type { FastifyRequest } from 'fastify'
import type { Repository } from '../access/index.ts'
import type { Clock, Randomness, Sealer } from '../base/index.ts'
import type { Database } from '../db/index.ts'
import type { HookRoom } from '../hooks/index.ts'
import type { Listener, RateLimits } from '../http/index.ts'
import type { LayerFiles, RetentionSettings } from '../oci/index.ts'
import type { FormatRoom } from '../packages/index.ts'
import type { CiExchange, SignInParts } from '../sign-in/index.ts'
import type { ContentStore } from '../store/index.ts'
import { registerArchives } from './archives.ts'
import { registerGitHalf } from './git-half.ts'
import { registerCiTrusts } from './ci-trusts.ts'
import type { GitApi } from './repository-call.ts'
import { tagAnswer } from './etag.ts'
import { githubForm } from './form.ts'
import { registerForks } from './forks.ts'
import { registerGitConfig } from './git-config.ts'
import { registerHooks } from './hooks.ts'
import { registerImages } from './images.ts'
import { registerKeys } from './keys.ts'
import { registerMeta } from './meta.ts'
import { registerNpmPackages } from './npm-packages.ts'
import { registerQuotas } from './quotas.ts'
import { registerRateLimit } from './rate-limit.ts'
import { registerOpenApi } from './openapi/index.ts'
import { registerPackageRules } from './package-rules.ts'
import { registerPackages } from './packages.ts'
import { registerPeople } from './people.ts'
import { registerRepositories } from './repositories.ts'
import { registerSessions } from './sessions.ts'
import { registerSigningKeys } from './signing-keys.ts'
import { registerStorage, type StorageFigures } from './storage.ts'
import { registerUpstreams } from './upstreams.ts'
import { registerUsers } from './users.ts'

export type { Places } from './documents.ts'
export { hookDocuments } from './hook-documents.ts'
export type { GitApi } from './repository-call.ts'
export { openApiDocument } from './openapi/index.ts'
export type { StorageFigures } from './storage.ts'

export interface ApiOptions {
  readonly db: Database
  readonly clock: Clock
  readonly randomness: Randomness
  /** Where clients reach the server, for the URLs in answers; null: what each request was sent to. */
  readonly publicUrl: string | null
  /** How a repository is cloned over SSH by a client that reaches the server at that origin; null: not at all. */
  readonly sshUrl?: (origin: string, fullName: string) => string | null
  /** Whether a name (a ref, an id, its beginning) stands for something of the repository that the request may see an archive of. */
  readonly findArchive: (request: FastifyRequest, repository: Repository, name: string) => Promise<boolean>
  /** Whether a fork gets that ref of the repository: not one that is hidden from whoever fetches. */
  readonly takesRef: (repository: Repository, name: string) => boolean
  readonly git: GitApi
  readonly storage: StorageFigures
  /** Where blobs of images are, and what layers hold. */
  readonly imageStore: Pick<ContentStore, 'get'>
  readonly retention: RetentionSettings
  /** What of packages is one format's. */
  readonly packageFormats: readonly FormatRoom[]
  readonly layerFiles: Pick<LayerFiles, 'ask' | 'close' | 'lists' | 'read'>
  readonly hooks: HookRoom
  /** Of what is signed in with at other registries. */
  readonly sealer: Sealer
  /** Undefined: nothing is limited. */
  readonly rates?: RateLimits | undefined
  readonly signIn: SignInParts
  readonly ciExchange: CiExchange
  /** Stemma's version. */
  readonly version: string
}

/** Registers the room. Its gate is the access room's. */
export function registerApi(listener: Listener, options: ApiOptions): void {
  const registerDocument = registerOpenApi(listener, options.version)
  listener.room({ prefix: '/api/v3', form: githubForm, body: 'json', rate: 'api' }, (routes) => {
    routes.addHook('onSend', tagAnswer)
    routes.addHook('onClose', async () => options.layerFiles.close())
    registerMeta(routes, options)
    registerDocument(routes)
    registerRateLimit(routes, options)
    registerQuotas(routes, options)
    registerUpstreams(routes, options)
    registerUsers(routes, options)
    registerPeople(routes, options)
    registerRepositories(routes, options)
    registerForks(routes, options)
    registerSigningKeys(routes, options)
    registerStorage(routes, options)
    registerArchives(routes, options)
    registerGitConfig(routes, options)
    registerGitHalf(routes, options)
    registerHooks(routes, options)
    registerKeys(routes, options)
    registerSessions(routes, options)
    registerCiTrusts(routes, options)
    registerPackages(routes, options)
    registerPackageRules(routes, options)
    registerImages(routes, options)
    registerNpmPackages(routes, options)
  })
}
