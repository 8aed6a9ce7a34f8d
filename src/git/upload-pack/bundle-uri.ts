// The `bundle-uri` command of protocol version 2 (gitprotocol-v2(5)): the repository's `bundle.*` settings as they are, `key=value` a line.
// What a bundle list means is the client's business (git-bundle-uri).
import { MAX_PKT_DATA_BYTES, PktLineWriter } from '../format/pkt-line.ts'
import type { FetchSettings } from '../settings/index.ts'

/** The whole answer. A value that no line can hold is left out, as git leaves out empty ones. */
export function formatBundleUris({ bundles }: Pick<FetchSettings, 'bundles'>): Uint8Array {
  const out = new PktLineWriter()
  for (const [key, value] of bundles) {
    const line = `${key}=${value}`
    if (value !== '' && Buffer.byteLength(line) <= MAX_PKT_DATA_BYTES) out.text(line)
  }
  return out.flush().take()
}
