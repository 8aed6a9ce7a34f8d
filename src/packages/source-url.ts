// Where a package says that it comes from, read as a repository of this server: a label of an image, the `repository` of an npm package. Pure.

export interface SourcePlace {
  readonly owner: string
  readonly name: string
}

/**
 * As people write it: `https://host/owner/name.git`, `git+https://…`, `git+ssh://git@host/owner/name`.
 * @param origins under which clients reach the server. Null: it leads elsewhere, or to no repository.
 */
export function parseSourceUrl(text: string, origins: readonly (string | null)[]): SourcePlace | null {
  const plain = text.replace(/^git\+/, '')
  if (text.length > 2048 || !URL.canParse(plain)) return null
  const url = new URL(plain)
  const isSsh = url.protocol === 'ssh:'
  // of ssh the host alone says it: its port is another
  const isOurs = origins.some((origin) => {
    if (origin === null || !URL.canParse(origin)) return false
    const { host, hostname } = new URL(origin)
    return isSsh ? hostname === url.hostname : host === url.host
  })
  const match = /^\/([^/]+)\/([^/]+?)(?:\.git)?\/?$/.exec(url.pathname)
  if (!isOurs || !match || !/^(https?|ssh):$/.test(url.protocol)) return null
  return { owner: match[1] as string, name: match[2] as string }
}
