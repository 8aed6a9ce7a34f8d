// What an operator declares: the place that an upstream is for, its URL, and the origin of its token endpoint. Pure.
import { InputError } from '../../../base/index.ts'

/** An owner, and what names of his begin with; `path` is empty where it is all of them. */
export interface Place {
  readonly owner: string
  readonly path: string
}

/** Where an upstream's names are: its origin, and what stands before them there (empty, or segments). */
export interface UpstreamUrl {
  readonly origin: string
  readonly path: string
}

/** How places and URLs of one format's upstreams are written. */
export interface PlaceGrammar {
  /** Whether that, behind the owner's login, is a place. */
  readonly isPath: (path: string) => boolean
  readonly isUrlPath: (path: string) => boolean
  /** Ends the sentence "'X' is neither …". */
  readonly placeWords: string
  /** Ends the sentence "'X' is no registry's URL: …". */
  readonly urlWords: string
}

const longestPath = 200

/** InputError `bad-upstream-place`. */
export function parsePlace(text: string, { isPath, placeWords }: PlaceGrammar): Place {
  const [owner = '', ...rest] = text.split('/')
  const path = rest.join('/')
  const isGood = owner !== '' && (rest.length === 0 || (path.length <= longestPath && isPath(path)))
  if (!isGood) throw new InputError('bad-upstream-place', `'${text}' is neither ${placeWords}`)
  return { owner, path }
}

export function formatPlace({ owner, path }: Place): string {
  return path === '' ? owner : `${owner}/${path}`
}

/** InputError `bad-upstream-url`. */
export function parseUpstreamUrl(text: string, { isUrlPath, urlWords }: PlaceGrammar): UpstreamUrl {
  const url = parseUrl(text)
  const path = url === null ? '' : url.pathname.replace(/^\/|\/$/g, '')
  const isGood = url !== null && url.search === '' && url.hash === '' && (path === '' || (path.length <= longestPath && isUrlPath(path)))
  if (!isGood) throw new InputError('bad-upstream-url', `'${text}' is no registry's URL: ${urlWords}`)
  return { origin: url.origin, path }
}

/** The origin of a token endpoint. InputError `bad-upstream-auth`. */
export function parseAuthOrigin(text: string): string {
  const url = parseUrl(text)
  if (url === null) throw new InputError('bad-upstream-auth', `'${text}' is no URL of a token endpoint, like https://auth.example`)
  return url.origin
}

function parseUrl(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null
  const isWeb = url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.hostname !== ''
  return isWeb && url.username === '' && url.password === '' ? url : null
}
