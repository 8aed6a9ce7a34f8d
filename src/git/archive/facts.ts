// What `export-subst` may ask of the archive's commit, gathered as files ask for it.
import { hex, latin1 } from '../../base/index.ts'
import type { CommitFacts } from '../format/commit-format.ts'
import { decodeCommit } from '../format/commit.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { abbreviate } from './abbreviate.ts'
import { describe } from './describe.ts'
import type { ArchiveGo } from './task.ts'

export interface ArchiveCommit extends CommitFacts {
  /** Looks for what a file asks for and takes a walk to find out; to be called before `substituteFormats`. */
  prepare(text: string): Promise<void>
}

export async function commitFacts(repository: PacedRepository, commit: number, go: ArchiveGo): Promise<ArchiveCommit> {
  const { objects, set } = repository
  const bytes = await objects.read(commit)
  const oid = hex(set.oid(commit))
  const { parents, tree } = decodeCommit(bytes, set.format)
  let described: { readonly options: string; readonly text: string | null } | null = null
  return {
    oid,
    tree,
    parents,
    text: latin1(bytes),
    decorations: go.decorations,
    abbreviate: (id) => abbreviate(set, id),
    describe: (options) => (described?.options === options ? described.text : null),
    prepare: async (text) => {
      const given = described ? null : describeOptions(text)
      if (given === null) return
      const digits = (count: number | null) => abbreviate(set, oid, count)
      described = { options: given, text: await describe(repository, commit, go.tags, given, digits) }
    },
  }
}

/** What the first `%(describe…)` in a `$Format:…$` asks for; null when there is none. In one pass: the text is anybody's. */
function describeOptions(text: string): string | null {
  for (let from = text.indexOf('$Format:'); from >= 0; from = text.indexOf('$Format:', from)) {
    const end = text.indexOf('$', from + 1)
    if (end < 0) return null
    for (const { 0: found, index } of text.slice(from, end).matchAll(/%[-+ ]?\(describe[:)]/g)) {
      const at = from + index + found.length
      if (found.endsWith(')')) return ''
      const close = text.indexOf(')', at)
      if (close < 0) return null
      if (close < end) return text.slice(at, close)
      break // and so for whatever else stands in this one
    }
    from = end
  }
  return null
}
