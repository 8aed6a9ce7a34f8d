// What a writer of klauspost's is made of, so that pgzip's framing may drive any level.
import type { KlauspostBlocks } from './klauspost-blocks.ts'

export interface FlateStream {
  readonly blocks: KlauspostBlocks
  write(bytes: Uint8Array): void
  /** All that has been written becomes blocks. What ends the flush, or the stream, is put by the caller. */
  sync(): void
  /** As new, but for the bytes that matches may reach into. */
  restart(dictionary: Uint8Array): void
}
