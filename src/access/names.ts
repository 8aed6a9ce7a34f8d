// What accounts and repositories may be called. The database checks the same patterns (src/db/migrations).
import { InputError } from '../base/index.ts'

/**
 * First path segments that are, or may become, faces of the server itself (DESIGN §9): no account has one of these logins, in any case.
 * `admin` is not among them: nothing lives under /admin but the first administrator's repositories.
 */
export const reservedLogins: ReadonlySet<string> = new Set(
  `api assets explore favicon.ico generic graphql health healthz login logout metrics new npm oauth openapi.json orgs robots.txt search
  settings signup static user users v1 v2`.split(/\s+/),
)

const loginPattern = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$/
const repositoryPattern = /^[A-Za-z0-9_.-]{1,100}$/

/** Whether it may be a login at all; taken ones are. */
export function isAllowedLogin(login: string): boolean {
  return loginPattern.test(login) && !/\.git$/i.test(login) && !reservedLogins.has(login.toLowerCase())
}

/** InputError `bad-login` or `reserved-login`. */
export function assertLogin(login: string): void {
  // A login that ends in .git would read as a repository in a URL.
  if (!loginPattern.test(login) || /\.git$/i.test(login)) {
    throw new InputError(
      'bad-login',
      'A login is 1 to 64 letters, digits, dots, hyphens or underscores, and begins and ends with a letter or digit',
    )
  }
  if (reservedLogins.has(login.toLowerCase())) throw new InputError('reserved-login', `The name '${login}' is reserved`)
}

/** 1 to 100 letters, digits, `_`, `.`, `-`; neither `.` nor `..`, not ending in `.git`. */
export function isRepositoryName(name: string): boolean {
  return repositoryPattern.test(name) && name !== '.' && name !== '..' && !/\.git$/i.test(name)
}

/** InputError `bad-repository-name`. */
export function assertRepositoryName(name: string): void {
  if (isRepositoryName(name)) return
  throw new InputError(
    'bad-repository-name',
    'A repository name is 1 to 100 letters, digits, dots, hyphens or underscores, and does not end in .git',
  )
}
