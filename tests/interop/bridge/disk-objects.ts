// Which objects a repository on disk has: the ids in its packs' indexes and its loose files, alternates followed. Only names are read here;
// what stands in a damaged file shows when it is read.
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { text } from './disk-refs.ts'

export interface ObjectListing {
  /** Equal as long as no pack and no loose file came or went. */
  readonly fingerprint: string
  /** Hex ids. Called when the fingerprint is new. */
  readonly ids: () => Set<string>
}

const deepestAlternates = 5

/** @param hexBytes length of an id in hex */
export function listObjects(gitDir: string, hexBytes: number): ObjectListing {
  const folders = objectFolders(join(gitDir, 'objects'))
  const loose: string[] = []
  const packs: string[] = []
  const facts: string[] = []
  for (const folder of folders) {
    const found = looseIds(folder, hexBytes)
    for (const id of found) loose.push(id)
    facts.push(folder, ...found)
    for (const name of names(join(folder, 'pack')).filter((file) => file.endsWith('.idx'))) {
      const path = join(folder, 'pack', name)
      const stamp = stampOf(path)
      if (stamp === null || stampOf(path.replace(/idx$/, 'pack')) === null) continue
      packs.push(path)
      facts.push(`${name} ${stamp}`)
    }
  }
  return {
    fingerprint: facts.join('\n'),
    ids: () => {
      const ids = new Set(loose)
      for (const path of packs) addPackIds(path, hexBytes, ids)
      return ids
    },
  }
}

/** The folder itself, then its alternates (gitrepository-layout(5)). */
function objectFolders(first: string): string[] {
  const folders: string[] = []
  const add = (folder: string, depth: number) => {
    let real: string
    try {
      real = realpathSync(folder)
    } catch {
      return
    }
    if (folders.includes(real) || depth > deepestAlternates) return
    folders.push(real)
    for (const line of text(join(real, 'info', 'alternates')).split('\n')) {
      if (line === '' || line.startsWith('#')) continue
      const path = line.startsWith('"') ? unquoted(line) : line
      add(isAbsolute(path) ? path : join(real, path), depth + 1)
    }
  }
  add(first, 0)
  return folders
}

/** A path that git quoted as C does. */
function unquoted(line: string): string {
  const inner = line.replace(/^"|"$/g, '')
  const bytes = inner.replace(/\\(?:([0-7]{3})|(.))/g, (_, octal?: string, letter?: string) =>
    octal === undefined ? ({ n: '\n', t: '\t', r: '\r' }[letter as string] ?? (letter as string)) : String.fromCharCode(parseInt(octal, 8)),
  )
  return Buffer.from(bytes, 'latin1').toString()
}

function looseIds(folder: string, hexBytes: number): string[] {
  const ids: string[] = []
  for (const first of names(folder)) {
    if (!/^[0-9a-f]{2}$/.test(first)) continue
    for (const rest of names(join(folder, first))) {
      if (rest.length === hexBytes - 2 && /^[0-9a-f]+$/.test(rest)) ids.push(first + rest)
    }
  }
  return ids
}

/** Ids out of an index of version 2 or 1; an index that isn't one names none. */
function addPackIds(path: string, hexBytes: number, ids: Set<string>): void {
  const bytes = readFileSync(path)
  const isNew = bytes.length > 8 && bytes.readUInt32BE(0) === 0xff744f63
  const start = isNew ? 8 : 0
  const width = hexBytes / 2
  if (bytes.length < start + 1024) return
  const count = bytes.readUInt32BE(start + 255 * 4)
  const [first, step] = isNew ? [start + 1024, width] : [1024 + 4, width + 4]
  for (let i = 0, at = first; i < count && at + width <= bytes.length; i++, at += step) ids.add(bytes.toString('hex', at, at + width))
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function stampOf(path: string): string | null {
  try {
    const { ino, size, mtimeNs } = statSync(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  } catch {
    return null
  }
}
