// Entries as a tar archive, in pieces.
import { encodeTarEnd, encodeTarEntry, encodeTarStart, tarPadding, type TarRules } from '../format/tar.ts'
import { Mode } from '../format/tree.ts'
import { type ContentReader, piecesOf } from './contents.ts'
import type { Entry } from './entries.ts'

/** @param commit its id, for the archive's head; null where a tree alone was named */
export async function* tarStream(
  entries: AsyncIterable<Entry>,
  contents: ContentReader,
  commit: string | null,
  rules: TarRules,
): AsyncGenerator<Uint8Array, void, undefined> {
  let written = 0
  const counted = (bytes: Uint8Array) => {
    written += bytes.length
    return bytes
  }
  yield counted(encodeTarStart(commit, rules))
  for await (const entry of entries) {
    const { mode, oid } = entry
    const path = Buffer.from(entry.path, 'latin1')
    if (entry.number < 0) {
      yield counted(encodeTarEntry({ path, mode, oid, sizeBytes: 0 }, rules))
    } else if (mode === Mode.symlink) {
      const target = await contents.target(entry)
      yield counted(encodeTarEntry({ path, mode, oid, sizeBytes: target.length, target }, rules))
    } else {
      const file = await contents.read(entry)
      yield counted(encodeTarEntry({ path, mode, oid, sizeBytes: file.sizeBytes }, rules))
      for await (const piece of piecesOf(file)) yield counted(piece)
      yield counted(tarPadding(file.sizeBytes))
    }
  }
  yield encodeTarEnd(written)
}
