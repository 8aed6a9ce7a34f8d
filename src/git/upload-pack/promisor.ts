// The `promisor-remote` capability (gitprotocol-v2(5)): other servers that have objects which this one may lack, told to clients, who say which
// of them they accept. To those a fetch may leave out what it doesn't have.
import { percentDecode, percentEncode } from '../format/percent.ts'
import { type FetchSettings, parseFlag } from '../settings/index.ts'

export interface PromisorRemote {
  readonly name: string
  readonly url: string
  /** remote.<name>.partialCloneFilter, where it is to be told. */
  readonly filter: string | null
  readonly token: string | null
}

/** They all stand in one line. */
const mostBytes = 60_000

/** What is told of the remotes; empty: the capability isn't offered. What doesn't fit the line is left out. */
export function promisorRemotes({ isAdvertised, remotes, sendFields }: FetchSettings['promisors']): readonly PromisorRemote[] {
  if (!isAdvertised) return []
  let bytes = 0
  const fields = new Set(sendFields.map((field) => field.toLowerCase()))
  const found: PromisorRemote[] = []
  for (const { name, values } of remotes) {
    const last = (key: string) => values[key]?.at(-1) ?? ''
    const isPromisor = parseFlag(last('promisor')) === true || values.partialclonefilter !== undefined
    if (!isPromisor || last('url') === '') continue
    const field = (key: string) => (fields.has(key) && last(key) !== '' ? last(key) : null)
    const remote = { name, url: last('url'), filter: field('partialclonefilter'), token: field('token') }
    const itsBytes = formatPromisors([remote]).length + 1
    if (bytes + itsBytes > mostBytes) continue
    bytes += itsBytes
    found.push(remote)
  }
  return found
}

/** `name=lop,url=https://example.org/lop;name=…`: the capability's value. */
export function formatPromisors(remotes: readonly PromisorRemote[]): string {
  return remotes
    .map(({ name, url, filter, token }) => {
      const fields = [`name=${encoded(name)}`, `url=${encoded(url)}`]
      if (filter !== null) fields.push(`partialCloneFilter=${encoded(filter)}`)
      if (token !== null) fields.push(`token=${encoded(token)}`)
      return fields.join(',')
    })
    .join(';')
}

/** The remotes that a client accepts; names that weren't offered count for nothing. */
export function parseAcceptedPromisors(value: string, offered: readonly PromisorRemote[]): string[] {
  const names = new Set(value.split(';').map(percentDecode))
  return offered.filter(({ name }) => names.has(name)).map(({ name }) => name)
}

function encoded(text: string): string {
  return percentEncode(text, (char) => char !== ',' && char !== ';' && char !== '%')
}
