// Blocks of immutable values as files of a folder that several threads and processes share.
//
//   <folder>/{2 hex}/{40 hex}      SHA-256 of the block's name, cut to 42 digits
//   file := "STEMBLK1" | u32 CRC-32 of name and bytes | u32 bytes | bytes            little-endian
//   <folder>/new-{uuid}            being written
//
// Invariants: a file appears by rename, whole or (after a power cut) not as its head says, which is found out and repaired by fetching
// again; files may vanish at any moment; nothing here ever fails a read. Nobody owns the count of bytes: each process looks at the
// folder from time to time and removes the longest unused files, so the limit is exceeded by what is written between two looks
// (a twentieth of the limit for each process).
import { hash } from 'node:crypto'
import { open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { crc32 } from 'node:zlib'
import { asBuffer, type Clock, makeFolders, type Randomness, utf8 } from '../base/index.ts'

const magic = 'STEMBLK1'
const headBytes = 16
// Writes wait no longer in memory than this; blocks that come while the disk is behind are not kept.
const mostPendingBytes = 16 << 20
// A use is noted in the file's time at most so often.
const noteUseEveryMs = 60_000
const staleNewFileMs = 3600_000

export class DiskBlocks {
  readonly #folder: string
  readonly #limitBytes: number
  readonly #clock: Clock
  readonly #randomness: Randomness
  readonly #madeFolders = new Set<string>()
  readonly #writing = new Map<string, Promise<void>>()
  #pendingBytes = 0
  #writtenSinceSweep: number
  #sweep: Promise<void> | null = null
  #closed = false

  constructor(folder: string, limitBytes: number, clock: Clock, randomness: Randomness) {
    this.#folder = folder
    this.#limitBytes = limitBytes
    this.#clock = clock
    this.#randomness = randomness
    // What earlier processes left counts too: the first write looks.
    this.#writtenSinceSweep = limitBytes
  }

  /** The block's bytes, or null when it isn't here or isn't whole. Never throws. */
  async get(name: string): Promise<Uint8Array | null> {
    const path = this.#path(name)
    const file = await open(path, 'r').catch(() => null)
    if (file === null) return null
    try {
      const { size, mtimeMs } = await file.stat()
      const bytes = new Uint8Array(Buffer.allocUnsafeSlow(Math.max(0, size)).buffer)
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
      const block = bytesRead === bytes.length ? checked(name, bytes) : null
      if (block === null) await rm(path, { force: true })
      else if (this.#clock.now() - mtimeMs > noteUseEveryMs) await file.utimes(this.#clock.now() / 1000, this.#clock.now() / 1000)
      return block
    } catch {
      return null
    } finally {
      await file.close().catch(() => {})
    }
  }

  /** Starts to keep the block; a disk that fails or is behind just doesn't. */
  set(name: string, block: Uint8Array): void {
    if (this.#closed || this.#writing.has(name) || this.#pendingBytes + block.length > mostPendingBytes) return
    this.#pendingBytes += block.length
    const writing = this.#write(name, block).finally(() => {
      this.#writing.delete(name)
      this.#pendingBytes -= block.length
      this.#writtenSinceSweep += block.length + headBytes
      this.#sweepIfDue()
    })
    this.#writing.set(name, writing)
  }

  /** Waits for what is being written and swept; for tests and the end. */
  async settled(): Promise<void> {
    await Promise.all(this.#writing.values())
    while (this.#sweep) await this.#sweep
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.settled()
  }

  async #write(name: string, block: Uint8Array): Promise<void> {
    const path = this.#path(name)
    const temporary = join(this.#folder, `new-${this.#randomness.uuid()}`)
    const head = Buffer.alloc(headBytes)
    head.write(magic, 'latin1')
    head.writeUInt32LE(checksum(name, block), 8)
    head.writeUInt32LE(block.length, 12)
    try {
      await this.#makeFolder(path)
      await writeFile(temporary, [head, block], { flag: 'wx', mode: 0o600 })
      await rename(temporary, path)
    } catch {
      this.#madeFolders.clear() // the folder may have been emptied under us
      await rm(temporary, { force: true }).catch(() => {})
    }
  }

  #sweepIfDue(): void {
    if (this.#writtenSinceSweep > this.#limitBytes / 20) this.#sweep ??= this.#removeOldest()
  }

  async #makeFolder(path: string): Promise<void> {
    const folder = path.slice(0, path.lastIndexOf('/'))
    if (this.#madeFolders.has(folder)) return
    await makeFolders(resolve(folder), 0o700)
    this.#madeFolders.add(folder)
  }

  /** Brings the folder to nine tenths of the limit. Other processes may do the same at the same time: what vanished counts as removed. */
  async #removeOldest(): Promise<void> {
    this.#writtenSinceSweep = 0
    const files: { path: string; sizeBytes: number; usedAt: number }[] = []
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const path = join(this.#folder, name)
      if (name.startsWith('new-')) await this.#removeStale(path)
      else await collectFiles(path, files)
    }
    let heldBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0)
    if (heldBytes > this.#limitBytes * 0.95) {
      files.sort((a, b) => a.usedAt - b.usedAt)
      for (const file of files) {
        if (heldBytes <= this.#limitBytes * 0.9) break
        await rm(file.path, { force: true }).catch(() => {})
        heldBytes -= file.sizeBytes
      }
    }
    this.#sweep = null
    this.#sweepIfDue() // what was written while this went on
  }

  async #removeStale(path: string): Promise<void> {
    const found = await stat(path).catch(() => null)
    if (found !== null && found.mtimeMs < this.#clock.now() - staleNewFileMs) await rm(path, { force: true }).catch(() => {})
  }

  #path(name: string): string {
    const digest = hash('sha256', name)
    return `${this.#folder}/${digest.slice(0, 2)}/${digest.slice(2, 42)}`
  }
}

async function collectFiles(folder: string, files: { path: string; sizeBytes: number; usedAt: number }[]): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name)
      const found = await stat(path).catch(() => null)
      if (found?.isFile() === true) files.push({ path, sizeBytes: found.size, usedAt: found.mtimeMs })
    }),
  )
}

function checksum(name: string, block: Uint8Array): number {
  return crc32(block, crc32(utf8(name)))
}

/** The block in a file's bytes, or null when they aren't what was written under that name. */
function checked(name: string, bytes: Uint8Array): Uint8Array | null {
  if (bytes.length < headBytes) return null
  const head = asBuffer(bytes.subarray(0, headBytes))
  const block = bytes.subarray(headBytes)
  const isWhole = head.toString('latin1', 0, 8) === magic && head.readUInt32LE(12) === block.length
  return isWhole && head.readUInt32LE(8) === checksum(name, block) ? block : null
}
