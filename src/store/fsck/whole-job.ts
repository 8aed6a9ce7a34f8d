// One whole content, read back from where it is stored, in a worker: every part's footer, every MiB's sum, and all of it against its digest.
import { createHash } from 'node:crypto'
import type { MessagePort } from 'node:worker_threads'
import { crc32 } from 'node:zlib'
import { answerJob, asBuffer, CorruptError, equalBytes, hex } from '../../base/index.ts'
import { type Bucket, type Key, wholeKey } from '../../bucket/index.ts'
import { decodeFooter, type Footer, footerLength, footerTrailerBytes, isPlain, sumBytes, sumsBytes } from '../format/whole.ts'

/** What the rows say. */
export interface WholeRows {
  readonly digest: string
  readonly sizeBytes: number
  readonly parts: readonly WholeRow[]
}

export interface WholeRow {
  readonly uuid: string
  readonly sizeBytes: number
  readonly storedBytes: number
  readonly sums: Uint8Array
}

export interface WholeProblem {
  readonly kind: 'missing' | 'damaged' | 'row'
  /** Of the part; null: of the content. */
  readonly uuid: string | null
  readonly reason: string
}

const readBytes = 4 * sumBytes

/** @throws UnavailableError */
export async function wholeJob(rows: WholeRows, port: MessagePort, bucket: Bucket): Promise<void> {
  await answerJob(port, async (main, signal) => {
    main.send(await checkWholeBytes(rows, bucket, signal))
  })
}

async function checkWholeBytes({ digest, sizeBytes, parts }: WholeRows, bucket: Bucket, signal: AbortSignal): Promise<WholeProblem[]> {
  const problems: WholeProblem[] = []
  const sum = createHash('sha256')
  let at = 0
  let last: Footer | null = null
  for (const part of parts) {
    try {
      const read = await checkPart(part, bucket, (bytes) => void sum.update(bytes), signal)
      if ('kind' in read) problems.push(read)
      else last = read
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      problems.push({ kind: error.code === 'missing-key' ? 'missing' : 'damaged', uuid: part.uuid, reason: error.message })
    }
    at += part.sizeBytes
  }
  if (problems.length > 0) return problems
  if (at !== sizeBytes) return [{ kind: 'row', uuid: null, reason: `its parts have ${at} bytes, and it has ${sizeBytes}` }]
  if (sum.digest('hex') !== digest) return [{ kind: 'damaged', uuid: null, reason: 'its parts are whole, and not what its digest says' }]
  const isNamedByItself = parts.length === 1 && isPlain((parts[0] as WholeRow).uuid)
  const named = last?.digest
  if (!isNamedByItself && (!named || hex(named) !== digest))
    return [{ kind: 'row', uuid: null, reason: 'its last part names another content: it could not be made again from the bucket' }]
  return []
}

async function checkPart(
  { uuid, sizeBytes, storedBytes, sums }: WholeRow,
  bucket: Bucket,
  take: (bytes: Uint8Array) => void,
  signal: AbortSignal,
): Promise<WholeProblem | Footer> {
  const key = wholeKey(uuid)
  const found = await bucket.head(key, signal)
  if (found === null) return { kind: 'missing', uuid, reason: 'the key is missing' }
  // of a plain part the row alone tells the sums
  const footer = isPlain(uuid)
    ? { sizeBytes: found.sizeBytes, sums, digest: null, earlier: [] }
    : await readFooter(bucket, key, found.sizeBytes, signal)
  if (footer.sizeBytes !== sizeBytes || found.sizeBytes !== storedBytes || !equalBytes(footer.sums, sums)) {
    return { kind: 'row', uuid, reason: 'the row of a part says something else than its key' }
  }
  for (let at = 0; at < sizeBytes; at += readBytes) {
    signal.throwIfAborted()
    const bytes = await bucket.get(key, { offset: at, sizeBytes: Math.min(readBytes, sizeBytes - at) }, signal)
    for (let from = 0; from < bytes.length; from += sumBytes) {
      const number = (at + from) / sumBytes
      if (crc32(bytes.subarray(from, from + sumBytes)) === asBuffer(footer.sums).readUInt32LE(number * 4)) continue
      return { kind: 'damaged', uuid, reason: `MiB ${number} of it is not what its sum says` }
    }
    take(bytes)
  }
  return footer
}

/** What the footer of a plain part would say, had it one: by reading all of it. CorruptError 'missing-key'; UnavailableError. */
export async function readPlain(bucket: Bucket, key: Key, keyBytes: number, signal?: AbortSignal): Promise<Footer> {
  const sum = createHash('sha256')
  const sums = Buffer.alloc(sumsBytes(keyBytes))
  for (let at = 0; at < keyBytes; at += readBytes) {
    signal?.throwIfAborted()
    const bytes = await bucket.get(key, { offset: at, sizeBytes: Math.min(readBytes, keyBytes - at) }, signal)
    sum.update(bytes)
    for (let from = 0; from < bytes.length; from += sumBytes) {
      sums.writeUInt32LE(crc32(bytes.subarray(from, from + sumBytes)), ((at + from) / sumBytes) * 4)
    }
  }
  return { sizeBytes: keyBytes, sums: new Uint8Array(sums), digest: new Uint8Array(sum.digest()), earlier: [] }
}

/** CorruptError 'whole-footer', 'missing-key'. */
export async function readFooter(bucket: Bucket, key: Key, keyBytes: number, signal?: AbortSignal): Promise<Footer> {
  if (keyBytes < footerTrailerBytes) throw new CorruptError('whole-footer', `${key} is too short`)
  const length = footerLength(await bucket.get(key, { offset: keyBytes - footerTrailerBytes, sizeBytes: footerTrailerBytes }, signal))
  if (length > keyBytes) throw new CorruptError('whole-footer', `${key} has a footer outside of it`)
  const footer = decodeFooter(await bucket.get(key, { offset: keyBytes - length, sizeBytes: length }, signal))
  if (footer.sizeBytes + length !== keyBytes) throw new CorruptError('whole-footer', `${key} has bytes that its footer doesn't know`)
  return footer
}
