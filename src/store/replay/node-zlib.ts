// Engine 1: the zlib that Node brings along (Chromium's, whose streams are not those of the original zlib). Makes the streams of npm and other Node
// programs. Its code isn't ours: a later Node may make other streams, and then its golden vectors fail and what rests on it can't be read.
import { createDeflateRaw, constants } from 'node:zlib'
import { goldenBytes } from './golden.ts'
import type { DeflateEncoder, DeflateEngine, Golden } from './engine.ts'

/** The part of Node's zlib object that works at once, without the event loop. Not documented; the golden vectors notice when it changes. */
interface SyncHandle {
  writeSync(flush: number, input: Uint8Array, at: number, size: number, output: Uint8Array, outputAt: number, room: number): void
  close(): void
}
interface Insides {
  readonly _handle: SyncHandle
  /** What is left of the output's room, and of the input. */
  readonly _writeState: Uint32Array
}

const outputBytes = 64 * 1024

class NodeZlibEncoder implements DeflateEncoder {
  readonly #insides: Insides
  readonly #output = new Uint8Array(outputBytes)

  constructor(level: number, memLevel: number) {
    this.#insides = createDeflateRaw({ level, memLevel, chunkSize: 64 }) as unknown as Insides
  }

  push(bytes: Uint8Array): Uint8Array[] {
    return bytes.length === 0 ? [] : this.#run(constants.Z_NO_FLUSH, bytes)
  }

  end(): Uint8Array[] {
    const pieces = this.#run(constants.Z_FINISH, new Uint8Array(0))
    this.#insides._handle.close()
    return pieces
  }

  #run(flush: number, bytes: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = []
    const { _handle: handle, _writeState: state } = this.#insides
    let at = 0
    let room: number
    do {
      handle.writeSync(flush, bytes, at, bytes.length - at, this.#output, 0, outputBytes)
      room = state[0] ?? 0
      at = bytes.length - (state[1] ?? 0)
      if (room < outputBytes) pieces.push(this.#output.slice(0, outputBytes - room))
    } while (room === 0 || at < bytes.length)
    return pieces
  }
}

const levels = [6, 9, 5, 1, 2, 3, 4, 7, 8]
const memLevels = [8, 9]

export function nodeZlib(golden: readonly Golden[]): DeflateEngine {
  return {
    id: 1,
    version: 1,
    name: 'node-zlib',
    golden,
    goldenBytes,
    candidates(clue) {
      const first = clue?.xfl === 2 ? [9] : clue?.xfl === 4 ? [1] : []
      const order = [...first, ...levels.filter((level) => !first.includes(level))]
      return memLevels.flatMap((memLevel) => order.map((level) => [level, memLevel]))
    },
    encoder: (params) => new NodeZlibEncoder(params[0] ?? 0, params[1] ?? 0),
    describe: ([level = 0, memLevel = 0]) => `level ${level}, memLevel ${memLevel}`,
  }
}
