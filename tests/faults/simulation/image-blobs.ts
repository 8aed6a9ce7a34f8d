// What the images of simulated runs are made of: blobs that are small, that are stored whole, that can be opened and have files in common. The same in all runs.
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { digestNamed, type OciDigest } from '../../../src/oci/format/digests.ts'
import { noise } from '../../support/seeded.ts'
import { sampleText, tarMember, tarOf } from '../../support/tar.ts'

export interface SimulatedBlob {
  readonly bytes: Uint8Array
  /** The one that this blob is pushed by. */
  readonly digest: OciDigest
}

export function blobOf(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): SimulatedBlob {
  return { bytes, digest: digestNamed(new Uint8Array(createHash(algorithm).update(bytes).digest())) }
}

let layers: readonly SimulatedBlob[] | undefined

/** Made once. Those that begin can be opened. */
export function commonLayers(): readonly SimulatedBlob[] {
  layers ??= [
    ...[1, 2, 3].map((version) => blobOf(gzipSync(archive(version), { level: version * 2 }))),
    blobOf(archive(4)),
    // text, which is kept in chunks
    blobOf(sampleText(5, 100_000)),
    // what only begins as gzip does
    blobOf(Buffer.concat([gzipSync(archive(5)).subarray(0, 40_000), noise(8, 40_000)])),
    ...[40, 5000, 60_000, 66_000, 90_000].map((sizeBytes) => blobOf(noise(sizeBytes, sizeBytes))),
    blobOf(noise(7, 150_000), 'sha512'),
    blobOf(noise(90_000, 90_000), 'sha512'), // the same content as another's
  ]
  return layers
}

/** Versions of it differ in one file. Of text it takes an engine longer to be told from others. */
function archive(version: number): Buffer {
  return tarOf(
    tarMember({ name: 'srv/', type: '5' }),
    tarMember({ name: 'srv/noise', body: noise(6, 70_000) }),
    tarMember({ name: 'srv/text', body: sampleText(6, 3000) }),
    tarMember({ name: 'srv/version', body: sampleText(100 + version, 3000) }),
  )
}
