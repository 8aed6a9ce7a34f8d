// The URL by which a repository is cloned over SSH.

/** @param port where the server itself listens; null: nowhere, and there is no such URL. @param origin the server as this client reaches it over HTTP */
export function sshUrl(
  publicHost: { readonly host: string; readonly port: number } | null,
  port: number | null,
  origin: string,
  fullName: string,
): string | null {
  if (port === null) return null
  const place = publicHost ?? { host: new URL(origin).hostname, port }
  // as other hosts write it; the short form has no room for a port
  if (place.port === 22 && !place.host.startsWith('[')) return `git@${place.host}:${fullName}.git`
  return `ssh://git@${place.host}${place.port === 22 ? '' : `:${place.port}`}/${fullName}.git`
}
