// What an operator may write for a repository elsewhere, and what becomes of the secret in it.
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InputError, withoutEnd } from '../../base/index.ts'

export interface RemoteUrl {
  /** `https://host/path`: without user name and password, without a slash at its end. */
  readonly url: string
  /** The value of the Authorization header; null: none. */
  readonly authorization: string | null
}

/** Where a repository is: elsewhere, or in a folder of this machine. */
export type Place = { readonly remote: RemoteUrl } | { readonly folder: string }

/** `host:path` and `user@host:path`, as ssh has it; a Windows path or a folder that is called so is none. */
const scpLike = /^(?:[^/@:]+@)?[^/:]+:(?!\/\/)/

/** InputError `remote-url` for what is neither a path nor a URL that can be fetched from. The message never holds the URL's secret. */
export function parsePlace(text: string): Place {
  if (/^file:/i.test(text)) return { folder: folderOf(text) }
  if (/^https?:\/\//i.test(text)) return { remote: parseRemoteUrl(text) }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme === 'ssh' || scheme === 'git+ssh' || (scheme === undefined && scpLike.test(text) && !text.startsWith('.'))) {
    throw refuse('ssh is not spoken here yet: use the https URL of the repository')
  }
  if (scheme !== undefined) throw refuse(`URLs that begin with ${scheme}: are not fetched from; https and http are`)
  return { folder: resolve(text) }
}

/** InputError `remote-url`. */
export function parseRemoteUrl(text: string): RemoteUrl {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) throw refuse('that is no https or http URL')
  if (url.search !== '' || url.hash !== '') throw refuse('the URL of a repository has no ? or #')
  const { username, password } = url
  url.username = ''
  url.password = ''
  const authorization = username === '' && password === '' ? null : basic(decode(username), decode(password))
  return { url: withoutEnd(url.href, '/'), authorization }
}

/** With a token of its own file or variable: `user:password` goes as it is, a mere token as the password, which every host takes. */
export function withToken(remote: RemoteUrl, token: string): RemoteUrl {
  const colon = token.indexOf(':')
  return { ...remote, authorization: colon < 0 ? basic('x-access-token', token) : basic(token.slice(0, colon), token.slice(colon + 1)) }
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function folderOf(text: string): string {
  try {
    return fileURLToPath(text)
  } catch (cause) {
    throw new InputError('remote-url', `'${text}' names no folder of this machine`, { cause })
  }
}

function refuse(message: string): InputError {
  return new InputError('remote-url', message)
}
