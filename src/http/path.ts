// Which request targets are looked at. A path that different parts of a chain (proxy, router, handler) could read differently
// is refused before any of them acts on it.
import { Refusal } from './problem.ts'

/**
 * Throws Refusal 400 `bad-path` unless the target is `/path?query` in which every segment reads the same before and after decoding for
 * structure: no empty segment inside, no `.` or `..` (plain or encoded), no backslash, no control or raw non-ASCII byte, no malformed or
 * doubly meaningful percent sign, and no encoded slash — unless the route asked for encoded slashes (npm's scoped names).
 */
export function assertPath(target: string, encodedSlash = false): void {
  const end = target.indexOf('?')
  const path = end < 0 ? target : target.slice(0, end)
  if (!/^\/[\x21-\x7e]*$/.test(path) || /[\\#]/.test(target) || path.includes('//')) throw badPath()
  if (/%(?![0-9a-f]{2})|%(?:5c|00|[01][0-9a-f]|7f|25)/i.test(path)) throw badPath()
  if (!encodedSlash && /%2f/i.test(path)) throw badPath()
  for (const segment of path.split(/\/|%2f/i)) {
    if (/^(?:\.|%2e){1,2}$/i.test(segment)) throw badPath()
  }
}

function badPath(): Refusal {
  return new Refusal(400, 'bad-path', 'The path is malformed')
}
