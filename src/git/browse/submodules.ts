// Where submodules come from: `.gitmodules` at the root of a tree (gitmodules(5)).
import { latin1 } from '../../base/index.ts'
import { parseConfig } from '../format/fsck/config.ts'
import { isGitlinkMode, isTreeMode } from '../format/tree.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { entryAt, numberOf } from './tree-list.ts'

const largestBytes = 1 << 20

/** URL by path; both have one character for each byte. */
export async function submoduleUrls(repository: PacedRepository, tree: number): Promise<ReadonlyMap<string, string>> {
  const entry = await entryAt(repository, tree, '.gitmodules')
  if (!entry || isTreeMode(entry.mode) || isGitlinkMode(entry.mode)) return new Map()
  const number = numberOf(repository, entry.oid)
  if (repository.set.sizeBytes(number) > largestBytes) return new Map()
  const modules = new Map<string, { path?: string; url?: string }>()
  for (const { section, key, value } of parseConfig(latin1(await repository.objects.read(number))).entries) {
    if (!section.prefix.startsWith('submodule.') || value === null || (key !== 'path' && key !== 'url')) continue
    modules.set(section.prefix, { ...modules.get(section.prefix), [key]: value })
  }
  return new Map([...modules.values()].flatMap(({ path, url }) => (path === undefined || url === undefined ? [] : [[path, url] as const])))
}
