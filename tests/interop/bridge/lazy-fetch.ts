// What git's upload-pack does when GIT_NO_LAZY_FETCH=0 lets it: objects that a client needs and the repository has promised by a remote are
// fetched from there, to the disk, before they are served. The server itself never fetches while it serves.
import { gunzipSync } from 'node:zlib'
import type { DiskConfig } from './disk-settings.ts'
import { runGit } from './git-process.ts'
import type { DiskPlace } from './place.ts'
import type { BridgeRequest } from './request.ts'

/** Names of the remotes that promised objects. */
export function promisorRemotes({ values }: DiskConfig): string[] {
  const named = Object.entries(values).flatMap(([key, list]) => {
    const name = /^remote\.(.+)\.promisor$/s.exec(key)?.[1]
    return name !== undefined && list.at(-1) === 'true' ? [name] : []
  })
  const first = values['extensions.partialclone']?.at(-1)
  return first === undefined || named.includes(first) ? named : [first, ...named]
}

export function mayFetchLazily({ environment, tail }: BridgeRequest, config: DiskConfig): boolean {
  return tail === '/git-upload-pack' && environment.get('GIT_NO_LAZY_FETCH') === '0' && promisorRemotes(config).length > 0
}

/** Fetches what this request needs and the disk lacks; true when something came. A client that goes to the remotes itself needs nothing. */
export async function fetchLazily(place: DiskPlace, config: DiskConfig, body: Uint8Array, isGzip: boolean): Promise<boolean> {
  const lines = pktLines(Buffer.from(isGzip ? gunzipSync(body) : body).toString('latin1'))
  const values = (word: string) => lines.filter((line) => line.startsWith(word)).map((line) => line.slice(word.length))
  const wants = values('want ').map((line) => line.split(' ', 1)[0] as string)
  if (wants.length === 0 || values('promisor-remote=').length > 0) return false
  const filter = values('filter ').at(-1)
  const haves = await existing(place, values('have '))
  const args = ['rev-list', '--objects', '--missing=print', ...(filter === undefined ? [] : [`--filter=${filter}`]), '--stdin']
  const { stdout } = await runGit(place, args, { input: [...wants, ...haves.map((oid) => `^${oid}`)].map((line) => `${line}\n`).join('') })
  const missing = [...stdout.toString().matchAll(/^\?([0-9a-f]+)/gm)].map((match) => match[1] as string)
  if (missing.length === 0) return false
  for (const remote of promisorRemotes(config)) {
    const fetch = ['fetch', remote, '--no-tags', '--no-write-fetch-head', '--recurse-submodules=no', '--filter=blob:none', '--stdin']
    const { code } = await runGit(place, ['-c', 'fetch.negotiationAlgorithm=noop', ...fetch], { input: `${missing.join('\n')}\n` })
    if (code === 0) return true
  }
  return false
}

/** Their texts, without line ends. */
function pktLines(body: string): string[] {
  const lines: string[] = []
  for (let at = 0; at + 4 <= body.length; ) {
    const size = Number.parseInt(body.slice(at, at + 4), 16)
    if (Number.isNaN(size)) break
    lines.push(body.slice(at + 4, at + Math.max(size, 4)).replace(/\n$/, ''))
    at += Math.max(size, 4)
  }
  return lines
}

async function existing(place: DiskPlace, oids: readonly string[]): Promise<string[]> {
  if (oids.length === 0) return []
  const { stdout } = await runGit(place, ['cat-file', '--batch-check=%(objectname)'], { input: `${oids.join('\n')}\n` })
  return stdout
    .toString()
    .split('\n')
    .filter((line) => /^[0-9a-f]+$/.test(line))
}
