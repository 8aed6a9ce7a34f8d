// Under which name a file stood in a parent that has none of its name: as git finds it, among the files that are gone in the commit.
import { equalBytes } from '../../base/index.ts'
import { hashBytes } from '../format/object-id.ts'
import { treeCode } from '../format/path-table.ts'
import { mayBeSimilar, renameScore, similarity, spansOf, wholeScore } from '../format/similarity.ts'
import type { PacedRepository } from '../upload-pack/index.ts'
import { splitPath } from './changes.ts'
import { treeChanges } from './tree-changes.ts'

/** A file as it stands somewhere. */
export interface PlacedFile {
  /** A character for each byte. */
  readonly path: string
  /** Of its mode (format/path-table). */
  readonly code: number
  readonly oid: Uint8Array
}

/** A file that has a name that no other gone file has is taken for it, if that much is the same. */
const namesakeScore = (wholeScore + renameScore) / 2
/** With more gone files, or more bytes in them, it counts as new. */
const mostSources = 2000
const mostBytes = 32 << 20
const lastRegular = 1 // codes of files that aren't links

/** @param tree of the commit @param parentTree of the parent @param file as it stands in the commit */
export async function renamedFrom(
  repository: PacedRepository,
  tree: number,
  parentTree: number,
  file: PlacedFile,
): Promise<PlacedFile | null> {
  const gone = await goneFiles(repository, tree, parentTree)
  const same = gone.filter(
    ({ code, oid }) => equalBytes(oid, file.oid) && (code === file.code || (code <= lastRegular && file.code <= lastRegular)),
  )
  if (same.length > 0) return same.find((each) => nameOf(each) === nameOf(file)) ?? (same[0] as PlacedFile)
  return file.code <= lastRegular ? await mostSimilar(repository, gone, file) : null
}

/** Files of the parent's tree at whose path the commit has nothing, or a folder, by path. */
async function goneFiles(repository: PacedRepository, tree: number, parentTree: number): Promise<PlacedFile[]> {
  const gone: PlacedFile[] = []
  const paths = new Set<string>()
  const join = (folder: string, name: string) => (folder === '' ? name : `${folder}/${name}`)
  await treeChanges(repository, tree, parentTree, (folder, name, code) => {
    if (code < 0 || code === treeCode) paths.add(join(folder, name))
  })
  if (paths.size === 0) return gone
  await treeChanges(repository, parentTree, tree, (folder, name, code, oids, at) => {
    const path = join(folder, name)
    if (code >= 0 && code < treeCode && paths.has(path))
      gone.push({ path, code, oid: oids.slice(at, at + hashBytes(repository.set.format)) })
  })
  return gone.sort((a, b) => (a.path < b.path ? -1 : 1))
}

async function mostSimilar(repository: PacedRepository, gone: readonly PlacedFile[], file: PlacedFile): Promise<PlacedFile | null> {
  const { set } = repository
  const sizeOf = ({ oid }: PlacedFile) => set.sizeBytes(set.find(oid, 0))
  const fileBytes = sizeOf(file)
  const sources = gone.filter((each) => each.code <= lastRegular)
  const near = sources.filter((each) => mayBeSimilar(sizeOf(each), fileBytes))
  const bytes = near.reduce((sum, each) => sum + sizeOf(each), fileBytes)
  if (near.length === 0 || near.length > mostSources || bytes > mostBytes) return null
  const spans = async ({ oid }: PlacedFile) => {
    const turn = repository.pace.turn(sizeOf({ oid } as PlacedFile) >>> 6)
    if (turn) await turn
    return spansOf(await repository.objects.read(set.find(oid, 0)))
  }
  const own = await spans(file)
  const score = async (source: PlacedFile) => similarity(await spans(source), sizeOf(source), own, fileBytes)
  const namesakes = sources.filter((each) => nameOf(each) === nameOf(file))
  const [namesake] = namesakes
  if (namesakes.length === 1 && namesake && near.includes(namesake) && (await score(namesake)) >= namesakeScore) return namesake
  let best: { readonly source: PlacedFile; readonly score: number } | null = null
  for (const source of near) {
    const found = { source, score: await score(source) }
    if (found.score < renameScore || (best && found.score < best.score)) continue
    if (!best || found.score > best.score || (nameOf(best.source) !== nameOf(file) && nameOf(source) === nameOf(file))) best = found
  }
  return best?.source ?? null
}

function nameOf({ path }: PlacedFile): string {
  return splitPath(path)[1]
}
