// The worker's half of what arrives (frame-lines.ts): frames are hashed, summed and written. The messages of a line are worked off in their order.
import { createHash, type Hash } from 'node:crypto'
import type { MessagePort } from 'node:worker_threads'
import { crc32 } from 'node:zlib'
import { writeFullySync } from '../../base/index.ts'
import type { UploadAlgorithm } from '../content-uploads.ts'

/** Hashes have numbers, given by who asks. Only `add` and `digest` are answered. */
export type FrameMessage =
  | { readonly kind: 'begin'; readonly hash: number; readonly algorithm: UploadAlgorithm }
  | { readonly kind: 'copy'; readonly hash: number; readonly of: number }
  | { readonly kind: 'drop'; readonly hash: number }
  | { readonly kind: 'digest'; readonly hash: number }
  | {
      readonly kind: 'add'
      /** Shared memory. */
      readonly bytes: Uint8Array
      /** Null: summed alone. */
      readonly hash: number | null
      /** Null: not written. */
      readonly target: FrameTarget | null
    }

/** A file that is open, and stays so until the answer; and where the bytes belong in it. */
export interface FrameTarget {
  readonly fd: number
  readonly position: number
}

export type FrameAnswer =
  | { readonly crc: number }
  | { readonly sha256: Uint8Array; readonly sha512: Uint8Array | null }
  /** What the writing failed with. */
  | { readonly failure: { readonly code: string; readonly message: string } }

interface Hashes {
  readonly sha256: Hash
  readonly sha512: Hash | null
}

/** Until the port is closed. */
export async function frameJob(port: MessagePort): Promise<void> {
  const hashes = new Map<number, Hashes>()
  const the = (hash: number): Hashes => {
    const known = hashes.get(hash)
    if (known === undefined) throw new RangeError(`no hash ${hash} was begun`)
    return known
  }
  port.on('message', (message: FrameMessage) => {
    switch (message.kind) {
      case 'begin':
        hashes.set(message.hash, { sha256: createHash('sha256'), sha512: message.algorithm === 'sha512' ? createHash('sha512') : null })
        return
      case 'copy': {
        const { sha256, sha512 } = the(message.of)
        hashes.set(message.hash, { sha256: sha256.copy(), sha512: sha512?.copy() ?? null })
        return
      }
      case 'drop':
        hashes.delete(message.hash)
        return
      case 'digest': {
        const { sha256, sha512 } = the(message.hash)
        port.postMessage({ sha256: digest(sha256), sha512: sha512 === null ? null : digest(sha512) } satisfies FrameAnswer)
        return
      }
      case 'add':
        port.postMessage(add(message.hash === null ? null : the(message.hash), message))
    }
  })
  await new Promise((resolve) => port.once('close', resolve))
}

function add(hashes: Hashes | null, { bytes, target }: Extract<FrameMessage, { readonly kind: 'add' }>): FrameAnswer {
  hashes?.sha256.update(bytes)
  hashes?.sha512?.update(bytes)
  try {
    if (target !== null) writeFullySync(target.fd, bytes, target.position)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    return { failure: { code, message } }
  }
  return { crc: crc32(bytes) }
}

/** More may follow. */
function digest(hash: Hash): Uint8Array {
  return new Uint8Array(hash.copy().digest())
}
