// The Authorization header (RFC 9110 §11.6.2, RFC 7617, RFC 6750).

/**
 * The token that was sent: after `Bearer` or `token`, or as the password of `Basic`, whatever the user name is (git and npm send what their
 * user typed; the token alone says who it is). null: no header, an anonymous call. `malformed`: there is one, but no token in it — never
 * taken for anonymous, or a broken credential helper would show a public face of things to its user.
 */
export function tokenOf(header: string | undefined): { readonly token: string } | 'malformed' | null {
  if (header === undefined) return null
  const [, scheme = '', value = ''] = /^([A-Za-z]+) +(\S+)$/.exec(header.trim()) ?? []
  switch (scheme.toLowerCase()) {
    case 'bearer':
    case 'token':
      return { token: value }
    case 'basic':
      return basicToken(value)
    default:
      return 'malformed'
  }
}

function basicToken(value: string): { readonly token: string } | 'malformed' {
  const text = Buffer.from(value, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0 || colon === text.length - 1) return 'malformed'
  return { token: text.slice(colon + 1) }
}
