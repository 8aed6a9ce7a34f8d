// What an operator declares: the place that an upstream is for, its URL, and the origin of its token endpoint. Pure.
import { InputError } from '../../../base/index.ts'

/** An owner, and the segments that names of his begin with; `path` is empty where it is all of them. */
export interface Place {
  readonly owner: string
  readonly path: string
}

/** Where an upstream's names are: its origin, and what stands before them there (empty, or segments). */
export interface UpstreamUrl {
  readonly origin: string
  readonly path: string
}

/** Of a name, as the distribution-spec has it. */
const segments = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const longestPath = 200

/** InputError `bad-upstream-place`. */
export function parsePlace(text: string): Place {
  const [owner = '', ...rest] = text.split('/')
  const path = rest.join('/')
  const isGood = owner !== '' && (rest.length === 0 || isPath(path))
  if (!isGood) {
    throw new InputError('bad-upstream-place', `'${text}' is neither OWNER nor OWNER/NAME…: names are small letters, digits and . _ -`)
  }
  return { owner, path }
}

export function formatPlace({ owner, path }: Place): string {
  return path === '' ? owner : `${owner}/${path}`
}

/** InputError `bad-upstream-url`. */
export function parseUpstreamUrl(text: string): UpstreamUrl {
  const url = parseUrl(text)
  const path = url === null ? '' : url.pathname.replace(/^\/|\/$/g, '')
  if (url === null || url.search !== '' || url.hash !== '' || (path !== '' && !isPath(path)) || /^v2(\/|$)/.test(path)) {
    throw new InputError(
      'bad-upstream-url',
      `'${text}' is no registry's URL: https://HOST, or https://HOST/PATH for the images below that path, without /v2/, user or query`,
    )
  }
  return { origin: url.origin, path }
}

/** The origin of a token endpoint. InputError `bad-upstream-auth`. */
export function parseAuthOrigin(text: string): string {
  const url = parseUrl(text)
  if (url === null) throw new InputError('bad-upstream-auth', `'${text}' is no URL of a token endpoint, like https://auth.example`)
  return url.origin
}

/** What is behind the place in the name, or null where the name is not below it. */
export function behind(path: string, name: string): string | null {
  if (path === '') return name
  return name.startsWith(`${path}/`) ? name.slice(path.length + 1) : null
}

function isPath(text: string): boolean {
  return text.length <= longestPath && segments.test(text)
}

function parseUrl(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null
  const isWeb = url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.hostname !== ''
  return isWeb && url.username === '' && url.password === '' ? url : null
}
