// Entries as a zip archive, in pieces. The central directory is kept until the end, so the number of entries is bounded by its size.
import { promisify } from 'node:util'
import { crc32, createDeflateRaw, deflateRaw, deflateRawSync } from 'node:zlib'
import { InputError } from '../../base/index.ts'
import { Mode } from '../format/tree.ts'
import {
  encodeZipDescriptor,
  encodeZipDirectoryEntry,
  encodeZipEnd,
  encodeZipHeader,
  type ZipEntry,
  ZipMethod,
  type ZipTime,
} from '../format/zip.ts'
import type { Attributes } from './conversion.ts'
import { type ContentReader, type Contents } from './contents.ts'
import type { Entry } from './entries.ts'
import { through } from './pieces.ts'

/** Smaller files are deflated at once: asking another thread costs more. */
const atOnceBytes = 16 << 10
const mostDirectoryBytes = 128 << 20
const longestPath = 0xffff
/** What git looks at to tell binary files from text. */
const textSampleBytes = 8000

const deflateElsewhere = promisify(deflateRaw)

export interface ZipRules {
  readonly time: ZipTime
  /** 0 (stored) to 9, or −1 for zlib's own choice. */
  readonly level: number
  /** The commit's id, or empty. */
  readonly comment: string
}

/** InputError `too-large` for more entries than a directory may hold, or a path that is too long. */
export async function* zipStream(
  entries: AsyncIterable<Entry>,
  contents: ContentReader,
  rules: ZipRules,
): AsyncGenerator<Uint8Array, void, undefined> {
  const archive = new ZipArchive(contents, rules)
  for await (const entry of entries) yield* archive.add(entry)
  yield* archive.end()
}

class ZipArchive {
  readonly #contents: ContentReader
  readonly #rules: ZipRules
  readonly #directory: Uint8Array[] = []
  #directoryBytes = 0
  #written = 0

  constructor(contents: ContentReader, rules: ZipRules) {
    this.#contents = contents
    this.#rules = rules
  }

  async *add(entry: Entry): AsyncGenerator<Uint8Array, void, undefined> {
    if (entry.path.length > longestPath) throw new InputError('too-large', `path too long (${entry.path.length} chars, SHA1: ${entry.oid})`)
    const path = Buffer.from(entry.path, 'latin1')
    const plain: ZipEntry = {
      path,
      mode: entry.mode,
      offset: this.#written,
      method: ZipMethod.store,
      isStreamed: false,
      sizeBytes: 0,
      storedBytes: 0,
      crc: 0,
      isText: false,
    }
    if (entry.number < 0) {
      yield this.#counted(encodeZipHeader(plain, this.#rules.time))
      this.#note(plain)
      return
    }
    const isLink = entry.mode === Mode.symlink
    const target = isLink ? await this.#contents.target(entry) : undefined
    const file = target ? { sizeBytes: target.length, bytes: target } : await this.#contents.read(entry)
    const looksLikeText = (bytes: Uint8Array) => isText(bytes, entry.attributes)
    if ('bytes' in file) yield* this.#whole({ ...plain, isText: looksLikeText(file.bytes) }, file.bytes, isLink ? 0 : this.#rules.level)
    else yield* this.#streamed(plain, file, looksLikeText)
  }

  *end(): Generator<Uint8Array, void, undefined> {
    const directory = { entries: this.#directory.length, offset: this.#written, sizeBytes: this.#directoryBytes }
    yield* this.#directory
    yield encodeZipEnd(directory, this.#rules.comment)
  }

  async *#whole(plain: ZipEntry, bytes: Uint8Array, level: number): AsyncGenerator<Uint8Array, void, undefined> {
    let stored = bytes
    if (level !== 0 && bytes.length > 0) {
      stored = bytes.length <= atOnceBytes ? deflateRawSync(bytes, { level }) : await deflateElsewhere(bytes, { level })
    }
    const isSmaller = stored.length < bytes.length
    if (!isSmaller) stored = bytes
    const entry: ZipEntry = {
      ...plain,
      method: isSmaller ? ZipMethod.deflate : ZipMethod.store,
      sizeBytes: bytes.length,
      storedBytes: stored.length,
      crc: crc32(bytes),
    }
    yield this.#counted(encodeZipHeader(entry, this.#rules.time))
    yield this.#counted(stored)
    this.#note(entry)
  }

  async *#streamed(
    plain: ZipEntry,
    file: Extract<Contents, { pieces: unknown }>,
    looksLikeText: (piece: Uint8Array) => boolean,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { level, time } = this.#rules
    const method = level === 0 ? ZipMethod.store : ZipMethod.deflate
    const head: ZipEntry = { ...plain, method, isStreamed: true, sizeBytes: file.sizeBytes }
    yield this.#counted(encodeZipHeader(head, time))
    let crc = 0
    let storedBytes = 0
    let text: boolean | undefined
    const seen = async function* () {
      for await (const piece of file.pieces) {
        crc = crc32(piece, crc)
        text ??= looksLikeText(piece)
        yield piece
      }
    }
    for await (const piece of level === 0 ? seen() : through(seen(), createDeflateRaw({ level }))) {
      storedBytes += piece.length
      yield this.#counted(piece)
    }
    const entry = { ...head, crc, storedBytes, isText: text ?? false }
    yield this.#counted(encodeZipDescriptor(entry))
    this.#note(entry)
  }

  #counted(bytes: Uint8Array): Uint8Array {
    this.#written += bytes.length
    return bytes
  }

  #note(entry: ZipEntry): void {
    const line = encodeZipDirectoryEntry(entry, this.#rules.time)
    this.#directory.push(line)
    this.#directoryBytes += line.length
    if (this.#directoryBytes > mostDirectoryBytes) throw new InputError('too-large', 'too many files for a zip archive; take a tar archive')
  }
}

/** As git: by the `diff` attribute, else by a look at its beginning. */
function isText(bytes: Uint8Array, attributes: Attributes): boolean {
  const diff = attributes.get('diff')
  return typeof diff === 'boolean' ? diff : !bytes.subarray(0, textSampleBytes).includes(0)
}
