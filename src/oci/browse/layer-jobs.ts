// The worker's half of reading layers: lists made of their bytes, and bytes of single files out of them.
import type { MessagePort } from 'node:worker_threads'
import { answerJob, InputError, latin1, type MessageStream } from '../../base/index.ts'
import { decodeList, type FileEntry, hasBody, mostMetaBytes, TarSplit, TarWalk, unpacked } from '../../store/index.ts'
import type { EntryType, LayerList } from './layer-list.ts'
import { type FileWanted, listed } from './listed-file.ts'
import { LayerListBuilder } from './layer-list-builder.ts'

const types: Readonly<Record<string, Exclude<EntryType, 'none'>>> = {
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
  S: 'file',
}
const blockBytes = 512

/** Takes the layer's bytes, and answers with the memory of its list. */
export async function listLayer(_payload: unknown, port: MessagePort): Promise<void> {
  await answerJob(port, async (main) => main.send((await listOf(main.bytes())).memory))
}

/** The same with the list that the store has of a layer that it has opened. */
export async function relistLayer(_payload: unknown, port: MessagePort): Promise<void> {
  await answerJob(port, async (main) => {
    const builder = new LayerListBuilder()
    for await (const entry of decodeList(main.bytes())) addEntry(builder, entry, entry.bodyAt)
    main.send(builder.finish().memory)
  })
}

/** InputError `not-a-layer`, `too-large`, and those of the builder. */
export async function listOf(layer: AsyncIterable<Uint8Array>): Promise<LayerList> {
  const builder = new LayerListBuilder()
  const split = new TarSplit(mostMetaBytes)
  let at = 0
  let bodies = 0
  let isBlank = true
  for await (const bytes of unpacked(layer)) {
    // an archive of nothing is zeros, and so is no layer at all
    if (at < blockBytes) isBlank &&= bytes.subarray(0, blockBytes - at).every((byte) => byte === 0)
    at += bytes.length
    for (const piece of split.push(bytes)) {
      if (piece.kind !== 'entry') continue
      addEntry(builder, piece.entry, bodies)
      if (hasBody(piece.entry)) bodies += piece.entry.bodyBytes
    }
    if (split.headers === 0 && at >= blockBytes && !isBlank) break
  }
  if (split.headers === 0 && !isBlank) throw new InputError('not-a-layer', 'this holds no files: it is no tar archive, or it is empty')
  return builder.finish()
}

/** @param bodyAt bytes of other bodies before it */
export function addEntry(builder: LayerListBuilder, entry: FileEntry, bodyAt: number): void {
  const type = types[entry.type]
  if (type === undefined) return
  const { gitBlob, sha256 } = entry
  builder.add({
    name: latin1(entry.path),
    type,
    mode: entry.mode & 0o7777,
    sizeBytes: type === 'file' ? entry.sizeBytes : 0,
    link: type === 'symlink' || type === 'hardlink' ? latin1(entry.link) : null,
    body: gitBlob === null || sha256 === null ? null : { at: bodyAt, gitBlob, sha256 },
  })
}

/** Takes the layer's bytes, and gives those of one file. */
export async function readFile(wanted: FileWanted, port: MessagePort): Promise<void> {
  await answerJob(port, async (main: MessageStream<never>) => {
    for await (const bytes of fileOf(main.bytes(), wanted)) {
      await main.sendBytes(new Uint8Array(bytes), true)
      if (main.closed) return
    }
    main.endBytes()
  })
}

/** One file's bytes out of a packed layer. CorruptError as `listed` says. */
export function fileOf(layer: AsyncIterable<Uint8Array>, wanted: FileWanted): AsyncGenerator<Uint8Array, void, undefined> {
  return listed(wanted.sizeBytes > 0 ? bodiesOf(layer, wanted.bodyAt) : none(), wanted)
}

async function* none(): AsyncGenerator<Uint8Array, void, undefined> {}

/** Bodies of a layer's files one behind the other, from that byte on. */
async function* bodiesOf(layer: AsyncIterable<Uint8Array>, from: number): AsyncGenerator<Uint8Array, void, undefined> {
  const walk = new TarWalk(mostMetaBytes)
  let skip = from
  for await (const bytes of unpacked(layer)) {
    for (let at = 0; at < bytes.length; ) {
      const { bodyLeft } = walk
      if (bodyLeft === 0) {
        at += walk.skeleton(bytes.subarray(at))
        walk.takeMember()
        continue
      }
      const body = bytes.subarray(at, at + bodyLeft)
      walk.body(body.length)
      at += body.length
      const passed = Math.min(skip, body.length)
      skip -= passed
      if (passed < body.length) yield body.subarray(passed)
    }
  }
}
