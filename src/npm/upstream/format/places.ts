// Places of npm's upstreams: all names, a scope's, or one. Pure.

const name = '[a-z0-9~_-][a-z0-9~._-]*'
const place = new RegExp(`^(?:@${name}(?:/[a-z0-9~._-]+)?|${name})$`)
const urlPath = /^[A-Za-z0-9~._-]+(?:\/[A-Za-z0-9~._-]+)*$/

export const placeGrammar = {
  isPath: (path: string) => place.test(path),
  isUrlPath: (path: string) => urlPath.test(path),
  placeWords: 'OWNER, OWNER/@SCOPE, OWNER/NAME nor OWNER/@SCOPE/NAME, in small letters',
  urlWords: 'https://HOST or https://HOST/PATH, as clients are given it, without user or query',
}

/** Whether a name lies at the place or below it. */
export function isBelow(path: string, name: string): boolean {
  const small = name.toLowerCase()
  return path === '' || small === path || small.startsWith(`${path}/`)
}
