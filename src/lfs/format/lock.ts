// Requests about locks (git-lfs docs/api/locking.md). InputError 'invalid' (422) for whatever is not as it should be.
import { assertRef, type Fields, fieldsOf, invalid, optionalText } from './fields.ts'

/** A page holds so many locks when the client doesn't say, and at most. */
const defaultLimit = 100
const mostLimit = 1000
const mostPathBytes = 1024

/** Which locks are asked for: all below are combined. */
export interface LockQuery {
  readonly path: string | null
  readonly id: string | null
  /** Those behind this path. */
  readonly after: string | null
  readonly limit: number
}

/** The path to lock. */
export function parseLock(body: unknown): string {
  const fields = fieldsOf(body)
  assertRef(fields)
  const path = optionalText(fields, 'path')
  if (path === null) throw invalid('path is missing')
  if (!isText(path)) throw invalid('path holds what no path can')
  if (path.startsWith('/') || path.split('/').includes('..')) throw invalid('path must be relative to the root of the work tree')
  if (Buffer.byteLength(path) > mostPathBytes) throw invalid(`path may have at most ${mostPathBytes} bytes`)
  return path
}

/** Of a URL's query, or a body's fields. Limits beyond what is allowed are brought back to it. */
export function parseLockQuery(fields: Fields): LockQuery {
  assertRef(fields)
  const path = optionalText(fields, 'path')
  if (path !== null && !isText(path)) throw invalid('path holds what no path can')
  const cursor = optionalText(fields, 'cursor')
  return {
    path,
    id: optionalText(fields, 'id'),
    after: cursor === null ? null : decodeCursor(cursor),
    limit: parseLimit(fields.limit ?? null),
  }
}

export function parseUnlock(body: unknown): { readonly isForced: boolean } {
  if (body === undefined || body === null) return { isForced: false }
  const fields = fieldsOf(body)
  assertRef(fields)
  const force = fields.force ?? false
  if (typeof force !== 'boolean') throw invalid('force must be true or false')
  return { isForced: force }
}

/** Where the next page begins: behind this path. */
export function encodeCursor(path: string): string {
  return Buffer.from(path).toString('base64url')
}

function decodeCursor(cursor: string): string {
  const path = Buffer.from(cursor, 'base64url').toString()
  if (encodeCursor(path) !== cursor || !isText(path)) throw invalid('cursor is not one that this server gave')
  return path
}

function parseLimit(value: unknown): number {
  if (value === null || value === '') return defaultLimit
  const limit = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  if (typeof limit !== 'number' || !Number.isSafeInteger(limit) || limit < 0) throw invalid('limit must be a whole number')
  return limit === 0 ? defaultLimit : Math.min(limit, mostLimit)
}

/** What the database keeps as text. */
function isText(path: string): boolean {
  return path.isWellFormed() && !path.includes('\0')
}
