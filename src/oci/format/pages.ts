// Lists that come in pages: `n` and `last` of the question, and the Link header of the answer (RFC 8288).
import { ociError } from './errors.ts'

export interface PageQuery {
  /** How many at most. */
  readonly limit: number
  /** Begin behind this one; empty: at the beginning. */
  readonly last: string
}

/** `n` above what is given at once gets that many. InputError 'page-invalid'. */
export function parsePage(query: Readonly<Record<string, unknown>>, mostRows: number): PageQuery {
  const { n, last = '' } = query
  if (typeof last !== 'string') throw ociError('page-invalid', 'last must be one name')
  if (n === undefined) return { limit: mostRows, last }
  if (typeof n !== 'string' || !/^\d{1,15}$/.test(n)) throw ociError('page-invalid')
  return { limit: Math.min(Number(n), mostRows), last }
}

/** `path` with those parameters, as the next page's place. */
export function nextLink(path: string, parameters: Readonly<Record<string, string>>): string {
  return `<${path}?${new URLSearchParams(parameters)}>; rel="next"`
}
