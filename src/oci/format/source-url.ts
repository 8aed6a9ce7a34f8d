// The label that says where an image comes from (image-spec annotations.md), read as a repository of this server.

export const sourceLabel = 'org.opencontainers.image.source'

export interface SourcePlace {
  readonly owner: string
  readonly name: string
}

/** @param origins under which clients reach the server. Null: it leads elsewhere, or to no repository. */
export function parseSourceUrl(text: string, origins: readonly (string | null)[]): SourcePlace | null {
  if (text.length > 2048 || !URL.canParse(text)) return null
  const url = new URL(text)
  const isOurs = origins.some((origin) => origin !== null && URL.canParse(origin) && new URL(origin).host === url.host)
  const match = /^\/([^/]+)\/([^/]+?)(?:\.git)?\/?$/.exec(url.pathname)
  if (!isOurs || !match || !/^https?:$/.test(url.protocol)) return null
  return { owner: match[1] as string, name: match[2] as string }
}
