// Where a tarball is fetched that an upstream's document names. Pure.

/** Documents of mirrors name npm's own registry, where clients, too, put the registry in its place that they were told (npm's `replace-registry-host`). */
const publicHost = 'registry.npmjs.org'

/** Null: it is no place that may be fetched from: no URL, or http where the upstream itself is https. */
export function tarballUrl(text: string, upstreamUrl: string): string | null {
  const upstream = new URL(upstreamUrl)
  if (!URL.canParse(text, `${upstreamUrl}/`)) return null
  const url = new URL(text, `${upstreamUrl}/`)
  if (url.host === upstream.host) return `${upstream.origin}${url.pathname}${url.search}` // behind a proxy registries don't always know their scheme
  if (url.hostname === publicHost) {
    const prefix = upstream.pathname.replace(/\/$/, '')
    const path = url.pathname.startsWith(`${prefix}/`) ? url.pathname : `${prefix}${url.pathname}`
    return `${upstream.origin}${path}${url.search}`
  }
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && upstream.protocol === 'http:')
  return isSafe && url.username === '' && url.password === '' ? url.href : null
}
