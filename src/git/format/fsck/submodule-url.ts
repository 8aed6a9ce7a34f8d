// Which submodule names and URLs git refuses, and the URL normalisation that the refusal rests on (RFC 3986 as git's urlmatch reads it).
// Text is Latin-1: one character for each byte.

/** True for a name that git keeps a submodule's repository under: not empty, no `..` component (of either separator). */
export function isSafeSubmoduleName(name: string): boolean {
  return name !== '' && !name.split(/[/\\]/).includes('..')
}

/** True for a URL that git clones submodules from: no option, no hidden newline, no way out of its host by `../`. */
export function isSafeSubmoduleUrl(url: string): boolean {
  if (url.startsWith('-')) return false
  if (/^\.\.?[/\\]/.test(url) || url.startsWith('git://')) {
    if (decode(url).includes('\n')) return false
    const lead = /^(?:\.\.?[/\\])*/.exec(url)?.[0] ?? ''
    return !/\.\./.test(lead) || !/^[:/]/.test(url.slice(lead.length))
  }
  const curlUrl = /^(?:https?|ftps?)::([^]*)$/.exec(url)?.[1] ?? (/^(?:https?|ftps?):\/\//.test(url) ? url : null)
  if (curlUrl === null) return true
  const normal = normalizeUrl(curlUrl)
  return normal !== null && !decode(normal).includes('\n')
}

/** Undoes %-escapes (but %00) after the scheme. */
function decode(url: string): string {
  const colon = Math.max(url.indexOf(':'), 0)
  return (
    url.slice(0, colon) +
    url.slice(colon).replace(/%([0-9a-fA-F]{2})/g, (whole, code: string) => {
      return code === '00' ? whole : String.fromCharCode(Number.parseInt(code, 16))
    })
  )
}

/**
 * The URL in its one normal form, or null when git can't take it for one. Host case, default ports, escapes and dot segments are
 * settled.
 */
export function normalizeUrl(url: string): string | null {
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.exec(url)?.[0].toLowerCase()
  if (scheme === undefined) return null
  let rest = url.slice(scheme.length)
  let out = scheme
  const authorityEnd = rest.search(/[/?#]/)
  let authority = authorityEnd === -1 ? rest : rest.slice(0, authorityEnd)
  rest = authorityEnd === -1 ? '' : rest.slice(authorityEnd)
  const at = authority.indexOf('@')
  if (at !== -1) {
    const user = normalizeEscapes(authority.slice(0, at))
    if (user === null) return null
    out += `${user}@`
    authority = authority.slice(at + 1)
  }
  const host = normalizeHost(authority, scheme)
  const path = host === null ? null : normalizePath(rest)
  return path === null ? null : out + host + path
}

function normalizeHost(authority: string, scheme: string): string | null {
  if ((authority === '' || authority.startsWith(':')) && scheme !== 'file://') return null
  // The port's colon is the last one, unless it stands in an IPv6 literal's brackets.
  const mark = Math.max(authority.lastIndexOf(':'), authority.lastIndexOf(']'))
  const colon = mark >= 0 && authority[mark] === ':' ? mark : authority.length
  const host = authority.slice(0, colon)
  if (!/^[A-Za-z0-9.\-_[:\]]*$/.test(host)) return null
  if (colon === authority.length) return host.toLowerCase()
  const port = authority.slice(colon + 1).replace(/^0+(?=.)/, '')
  if (host === '' && port !== '') return null
  if (port === '' || (scheme === 'http://' && port === '80') || (scheme === 'https://' && port === '443')) return host.toLowerCase()
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) === 0 || Number(port) > 65535) return null
  return `${host.toLowerCase()}:${port}`
}

function normalizePath(rest: string): string | null {
  const pathEnd = rest.search(/[?#]/)
  const tail = normalizeEscapes(pathEnd === -1 ? '' : rest.slice(pathEnd))
  const kept: string[] = []
  const segments = (pathEnd === -1 ? rest : rest.slice(0, pathEnd)).replace(/^\//, '').split('/')
  for (const [i, written] of segments.entries()) {
    const segment = normalizeEscapes(written)
    if (segment === null) return null
    const isLast = i === segments.length - 1
    if (segment === '..' && kept.pop() === undefined) return null
    if (segment !== '..' && segment !== '.') kept.push(segment)
    else if (isLast && kept.length === 0) kept.push('')
  }
  return tail === null ? null : `/${kept.join('/')}${tail}`
}

/** Undoes escapes that needn't be, makes those that must be, in capitals; null when a `%` has no two hex digits. */
function normalizeEscapes(text: string): string | null {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return null
  return text.replace(/%[0-9a-fA-F]{2}|[^]/g, (part) => {
    const isEscaped = part.length === 3
    const code = isEscaped ? Number.parseInt(part.slice(1), 16) : part.charCodeAt(0)
    const char = String.fromCharCode(code)
    const mustEscape = code <= 0x1f || code >= 0x7f || ' <>"%{}|\\^`'.includes(char)
    const isDelimiter = ":/?#[]@!$&'()*+,;=".includes(char)
    return mustEscape || (isEscaped && isDelimiter) ? `%${code.toString(16).toUpperCase().padStart(2, '0')}` : char
  })
}
