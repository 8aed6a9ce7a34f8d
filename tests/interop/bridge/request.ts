// A request as the CGI shim describes it: what `git http-backend` would have found in its environment comes in headers (disk-bridge.md).
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

/** The URLs that git http-backend knows, by what stands behind the repository's path. */
const tails = [
  /\/HEAD$/,
  /\/info\/refs$/,
  /\/objects\/info\/(?:alternates|http-alternates|packs)$/,
  /\/objects\/[0-9a-f]{2}\/(?:[0-9a-f]{38}|[0-9a-f]{62})$/,
  /\/objects\/pack\/pack-(?:[0-9a-f]{40}|[0-9a-f]{64})\.(?:pack|idx)$/,
  /\/git-(?:upload-pack|receive-pack|upload-archive)$/,
]

export interface BridgeRequest {
  readonly method: string
  /** The repository's folder as the shim names it, and what is asked of it: `/info/refs`, `/git-upload-pack` … */
  readonly folder: string
  readonly tail: string
  /** With its question mark, or empty. */
  readonly search: string
  /** `upload-pack` and the like, as the request's tail or its query names it; null for files. */
  readonly service: string | null
  /** What a CGI would have in its environment, by its names there: GIT_NAMESPACE … An empty value is set, too. */
  readonly environment: ReadonlyMap<string, string>
  readonly user: string | null
  /** Versions of the protocol that the client speaks: the value of Git-Protocol. */
  readonly protocol: string
}

/** Null where the path ends in nothing that git http-backend serves. */
export function readRequest(request: IncomingMessage): BridgeRequest | null {
  const { headers } = request
  const environment = readEnvironment(headers)
  const [urlPath, urlQuery] = splitOnce(request.url ?? '/', '?')
  const path = decoded(header(headers, 'x-repo-path') ?? urlPath).replace(/\/+(?=\/)/g, '')
  const tail = tails.map((pattern) => pattern.exec(path)?.[0]).find((found) => found !== undefined)
  if (tail === undefined) return null
  const query = urlQuery ?? environment.get('QUERY_STRING') ?? ''
  const named = tail === '/info/refs' ? new URLSearchParams(query).get('service') : tail.startsWith('/git-') ? tail.slice(1) : null
  return {
    method: request.method ?? 'GET',
    folder: path.slice(0, path.length - tail.length),
    tail,
    search: query === '' ? '' : `?${query}`,
    service: named,
    environment,
    user: decoded(header(headers, 'x-remote-user') ?? environment.get('REMOTE_USER') ?? '') || null,
    protocol: environment.get('GIT_PROTOCOL') ?? header(headers, 'git-protocol') ?? environment.get('HTTP_GIT_PROTOCOL') ?? '',
  }
}

function readEnvironment(headers: IncomingHttpHeaders): Map<string, string> {
  const environment = new Map<string, string>()
  for (const name of Object.keys(headers)) {
    if (!name.startsWith('x-env-')) continue
    environment.set(name.slice('x-env-'.length).toUpperCase().replaceAll('-', '_'), decoded(header(headers, name) ?? ''))
  }
  return environment
}

/** Headers are bytes: what comes as Latin-1 is UTF-8 to git. */
function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  if (value === undefined) return undefined
  return Buffer.from(Array.isArray(value) ? value.join(', ') : value, 'latin1').toString()
}

/** Percent-encoding undone where it is well formed; else the text as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function splitOnce(text: string, at: string): [string, string?] {
  const place = text.indexOf(at)
  return place < 0 ? [text] : [text.slice(0, place), text.slice(place + 1)]
}
