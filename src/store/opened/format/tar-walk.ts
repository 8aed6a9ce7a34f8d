// Walks along a tar archive and says which of its bytes are bodies of files. All other bytes are its skeleton: headers, PAX and GNU's long names, padding, what stands behind
// the end, and everything from the first block on that is no header. docs/design/opened-contents.md. Pure.
// Invariant: what the walk says depends on the skeleton's bytes alone. So whoever has the skeleton walks the same way, and knows where which bodies belong.
import { latin1 } from '../../../base/index.ts'
import { noPax, parsePax, type PaxFacts } from './pax.ts'
import { blockBytes, isZeroBlock, parseTarHeader, type TarHeader } from './tar-header.ts'

/** A member, as its headers tell of it. */
export interface TarMember {
  readonly path: Uint8Array
  readonly mode: number
  /** As in a header: `0` a file, `1` a hard link, `2` a symbolic link, `3` and `4` devices, `5` a directory, `6` a pipe; `S`: a file that is kept with holes. */
  readonly type: string
  readonly link: Uint8Array
  /** Of the file; of one with holes, with the holes. */
  readonly sizeBytes: number
  /** Bytes that stand in the archive as its body. */
  readonly bodyBytes: number
}

/** `meta`: the body of a PAX header or a long name. `skip`: bytes of the skeleton that say nothing. `sparse`: further blocks of a sparse map. */
type State = 'header' | 'meta' | 'skip' | 'sparse' | 'body' | 'rest'

export class TarWalk {
  readonly #mostMetaBytes: number
  #state: State = 'header'
  readonly #block = new Uint8Array(blockBytes)
  #blockFill = 0
  /** Of `meta`, `skip` and `body`: bytes to come. */
  #left = 0
  #padding = 0
  #meta: Uint8Array[] = []
  #metaType = ''
  #metaBytes = 0
  #pax: PaxFacts = noPax
  #longName: Uint8Array | null = null
  #longLink: Uint8Array | null = null
  #zeroBlocks = 0
  #headers = 0
  #pending: TarMember | null = null

  constructor(mostMetaBytes: number) {
    this.#mostMetaBytes = mostMetaBytes
  }

  /** Bytes of a body that come next; 0: bytes of the skeleton do. */
  get bodyLeft(): number {
    return this.#state === 'body' ? this.#left : 0
  }

  /** Headers so far that were such. */
  get headers(): number {
    return this.#headers
  }

  /** Whether the end has been seen, or something that is no archive: there are no members any more. */
  get isOver(): boolean {
    return this.#state === 'rest'
  }

  /** `end`: behind the two blocks of zeros; `broken`: behind what is no header; `between` members, where an archive without an end may stop; `within` one, or its headers. */
  get place(): 'end' | 'broken' | 'between' | 'within' {
    if (this.#state === 'rest') return this.#zeroBlocks === 2 ? 'end' : 'broken'
    return this.#state === 'header' && this.#blockFill === 0 && this.#pending === null ? 'between' : 'within'
  }

  /** A member whose header has just been walked over, given once; its body, if it has one, comes next. */
  takeMember(): TarMember | null {
    const member = this.#pending
    this.#pending = null
    return member
  }

  /** That so many bytes of the body have passed. */
  body(count: number): void {
    this.#left -= count
    if (this.#left === 0) this.#skip(this.#padding)
  }

  /** Walks over bytes of the skeleton, as far as the next member or body; how many bytes that were. */
  skeleton(bytes: Uint8Array): number {
    let at = 0
    while (at < bytes.length && this.#state !== 'body' && this.#pending === null) at += this.#step(bytes.subarray(at))
    return at
  }

  #step(bytes: Uint8Array): number {
    if (this.#state === 'rest') return bytes.length
    if (this.#state === 'header' || this.#state === 'sparse') {
      const count = Math.min(bytes.length, blockBytes - this.#blockFill)
      this.#block.set(bytes.subarray(0, count), this.#blockFill)
      this.#blockFill += count
      if (this.#blockFill === blockBytes) {
        this.#blockFill = 0
        if (this.#state === 'header') this.#header()
        else if (this.#block[504] === 0) this.#enter()
      }
      return count
    }
    const count = Math.min(bytes.length, this.#left)
    if (this.#state === 'meta') this.#meta.push(new Uint8Array(bytes.subarray(0, count)))
    this.#left -= count
    if (this.#left === 0) {
      if (this.#state === 'meta') this.#endMeta()
      else this.#state = 'header'
    }
    return count
  }

  #header(): void {
    if (isZeroBlock(this.#block)) {
      if (++this.#zeroBlocks === 2) this.#state = 'rest'
      return
    }
    this.#zeroBlocks = 0
    const header = parseTarHeader(this.#block)
    if (header === null) {
      this.#state = 'rest'
      return
    }
    this.#headers++
    if ('xgXLK'.includes(header.type)) this.#beginMeta(header)
    else this.#member(header)
  }

  #beginMeta({ type, sizeBytes }: TarHeader): void {
    if (sizeBytes > this.#mostMetaBytes) {
      this.#state = 'rest'
      return
    }
    this.#state = 'meta'
    this.#metaType = type
    this.#metaBytes = sizeBytes
    this.#meta = []
    this.#left = sizeBytes
    if (sizeBytes === 0) this.#endMeta()
  }

  #endMeta(): void {
    const bytes = Buffer.concat(this.#meta)
    this.#meta = []
    this.#skip(padding(this.#metaBytes))
    if (this.#metaType === 'L') this.#longName = upToZero(bytes)
    else if (this.#metaType === 'K') this.#longLink = upToZero(bytes)
    else if (this.#metaType !== 'g') {
      const facts = parsePax(bytes)
      if (facts === null) this.#state = 'rest'
      else this.#pax = facts
    }
  }

  #member(header: TarHeader): void {
    const pax = this.#pax
    // links, devices, directories and pipes have no body, whatever their size says: so docker's reader has it
    const stored = '123456'.includes(header.type) ? 0 : (pax.sizeBytes ?? header.sizeBytes)
    const isSparse = header.type === 'S' || pax.isSparse
    const type = isSparse ? 'S' : header.type === '7' ? '0' : header.type
    this.#pending = {
      path: pax.sparseName ?? pax.path ?? this.#longName ?? header.name,
      mode: header.mode,
      type,
      link: pax.link ?? this.#longLink ?? header.link,
      sizeBytes: isSparse ? (pax.sparseBytes ?? header.realBytes ?? stored) : stored,
      bodyBytes: stored,
    }
    this.#pax = noPax
    this.#longName = null
    this.#longLink = null
    this.#left = stored
    this.#padding = padding(stored)
    if (header.isExtended) this.#state = 'sparse'
    else this.#enter()
  }

  /** Behind a member's last header. Bodies of kinds that nobody knows are no files. */
  #enter(): void {
    const type = this.#pending?.type ?? 'S'
    if (type !== '0' && type !== 'S') this.#skip(this.#left + this.#padding)
    else if (this.#left > 0) this.#state = 'body'
    else this.#state = 'header'
  }

  #skip(count: number): void {
    this.#left = count
    this.#state = count > 0 ? 'skip' : 'header'
  }
}

function padding(sizeBytes: number): number {
  return (blockBytes - (sizeBytes % blockBytes)) % blockBytes
}

function upToZero(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0)
  return end < 0 ? bytes : bytes.subarray(0, end)
}

/** A path as a reader finds it, without `./` before it or slashes behind. One character for each byte. */
export function plainPath(path: Uint8Array): string {
  return latin1(path)
    .replace(/^(\.?\/)+/, '')
    .replace(/\/+$/, '')
}
