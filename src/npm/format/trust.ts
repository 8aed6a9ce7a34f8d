// Which CI jobs are meant by what `npm trust` sends: a repository, a file of its workflows, and, where it is said, an environment and a ref. Pure.
import { InputError } from '../../base/index.ts'

export type TrustProvider = 'github' | 'gitlab'

/** What a job may do: publish, or only put forward what somebody approves. */
export const trustPermissions = ['createPackage', 'createStagedPackage'] as const
export type TrustPermission = (typeof trustPermissions)[number]

export interface JobPattern {
  readonly provider: TrustProvider
  /** `OWNER/NAME`, or the path of a project of GitLab's. */
  readonly repository: string
  /** The workflow's file, without folders. */
  readonly file: string
  readonly environment: string | null
  /** `refs/heads/main`; may end in a star. Ours: npm's clients don't send it. */
  readonly ref: string | null
}

export interface WantedTrust {
  readonly job: JobPattern
  readonly permissions: readonly TrustPermission[]
}

/** What stands between the repository's name and its workflow's in the claim that names both. */
const between: Readonly<Record<TrustProvider, string>> = { github: '/.github/workflows/', gitlab: '//' }
const repositoryClaim: Readonly<Record<TrustProvider, string>> = { github: 'repository', gitlab: 'project_path' }
const fileClaim: Readonly<Record<TrustProvider, string>> = { github: 'workflow_ref', gitlab: 'ci_config_ref_uri' }

/** InputError `bad-trust`. */
export function parseTrust(given: unknown): WantedTrust {
  const { type, claims: sent, permissions = trustPermissions.slice(0, 1) } = objectIn(given, 'a trust')
  if (type !== 'github' && type !== 'gitlab')
    throw refuse(`jobs of '${String(type).slice(0, 40)}' are not known here: 'github' and 'gitlab' are`)
  const claims = objectIn(sent, 'claims')
  const known = [repositoryClaim[type], fileClaim[type], 'environment', 'ref']
  const unknown = Object.keys(claims).find((name) => !known.includes(name))
  if (unknown !== undefined) throw refuse(`the claim '${unknown.slice(0, 100)}' is not looked at: ${known.join(', ')} are`)
  const repository = textIn(claims[repositoryClaim[type]], repositoryClaim[type])
  const parts = repository.split('/')
  if (type === 'github' ? parts.length !== 2 : parts.length < 2) throw refuse('the repository is named OWNER/NAME')
  if (parts.some((part) => !/^[\w.-]+$/.test(part))) throw refuse('the name of the repository is none')
  const file = textIn(objectIn(claims[fileClaim[type]], fileClaim[type]).file, 'file')
  if (!/^[\w. -]+\.ya?ml$/.test(file)) throw refuse('the workflow is the name of a file that ends in .yml or .yaml, without folders')
  const optional = (name: string) => (claims[name] === undefined || claims[name] === null ? null : textIn(claims[name], name))
  const [environment, ref] = [optional('environment'), optional('ref')]
  if (ref !== null && !/^refs\/[^*]+\*?$/.test(ref)) throw refuse("a ref begins with 'refs/', and may end in a star")
  return { job: { provider: type, repository, file, environment, ref }, permissions: permissionsIn(permissions) }
}

/** As npm's clients send and show it. */
export function formatClaims({ provider, repository, file, environment, ref }: JobPattern): Record<string, unknown> {
  return {
    [repositoryClaim[provider]]: repository,
    [fileClaim[provider]]: { file },
    ...(environment === null ? {} : { environment }),
    ...(ref === null ? {} : { ref }),
  }
}

/** Whether a job with these claims is meant. Repositories are told apart without regard to case, as their hosts do. */
export function isMeant(job: JobPattern, claims: Readonly<Record<string, unknown>>): boolean {
  const { provider, repository, file, environment, ref } = job
  const claimed = claims[repositoryClaim[provider]]
  const workflow = claims[fileClaim[provider]]
  if (typeof claimed !== 'string' || typeof workflow !== 'string' || claimed.toLowerCase() !== repository.toLowerCase()) return false
  // of GitLab's the host stands before it
  const path = provider === 'gitlab' ? workflow.slice(workflow.indexOf('/') + 1) : workflow
  const wanted = `${repository}${between[provider]}`
  if (path.slice(0, wanted.length).toLowerCase() !== wanted.toLowerCase() || !path.slice(wanted.length).startsWith(`${file}@`)) return false
  if (environment !== null && claims.environment !== environment) return false
  return ref === null || isRef(ref, refOf(claims))
}

function refOf({ ref, ref_path: path }: Readonly<Record<string, unknown>>): unknown {
  return typeof path === 'string' ? path : ref // GitLab's `ref` is a bare name
}

function isRef(pattern: string, ref: unknown): boolean {
  if (typeof ref !== 'string') return false
  return pattern.endsWith('*') ? ref.startsWith(pattern.slice(0, -1)) : ref === pattern
}

function permissionsIn(given: unknown): TrustPermission[] {
  const known = (word: unknown): word is TrustPermission => trustPermissions.includes(word as TrustPermission)
  if (Array.isArray(given) && given.length > 0 && given.every(known)) return [...new Set(given)]
  throw refuse(`permissions are among ${trustPermissions.join(', ')}`)
}

function objectIn(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw refuse(`${name} must be an object`)
}

function textIn(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '' && value.length <= 255 && !/[\p{Cc}\p{Cs}]/u.test(value)) return value
  throw refuse(`'${name}' must be a text of at most 255 characters`)
}

function refuse(why: string): InputError {
  return new InputError('bad-trust', `This can not be trusted: ${why}`)
}
