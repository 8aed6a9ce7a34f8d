// A pull of an image from one node of a simulated run: everything that a manifest leads to, byte for byte as it was made.
import { concatBytes, equalBytes } from '../../../src/base/index.ts'
import { findBlob } from '../../../src/oci/blob-rows.ts'
import type { OciDigest } from '../../../src/oci/format/digests.ts'
import { parseManifest } from '../../../src/oci/format/manifest.ts'
import { findManifest, manifestBytes } from '../../../src/oci/manifest-rows.ts'
import type { KnownImage } from './images.ts'
import type { SimulatedNode } from './node.ts'
import type { SimulatedRun } from './run.ts'

/** What is missing; null: nothing. What has other bytes is a fault. @param wait before each request */
export async function pullManifest(
  run: SimulatedRun,
  node: SimulatedNode,
  image: KnownImage,
  digest: OciDigest,
  wait: () => Promise<void> = async () => {},
): Promise<string | null> {
  const { id } = image.one
  await wait()
  if ((await findManifest(node.db, id, { kind: 'digest', digest })) === null) return digest.text
  const bytes = await manifestBytes(node.registry, id, digest)
  if (bytes === null) return digest.text
  const wanted = run.images.manifests.get(digest.text)
  if (wanted === undefined || !equalBytes(bytes, wanted.bytes)) run.fault(`the manifest ${digest.text} is another one`)
  const { parts } = parseManifest(bytes, wanted?.mediaType, node.registry.limits.manifest)
  for (const part of parts) {
    await wait()
    const missing =
      part.kind === 'manifest' ? await pullManifest(run, node, image, part.digest, wait) : await pullBlob(run, node, image, part.digest)
    if (missing !== null) return missing
  }
  return null
}

async function pullBlob(run: SimulatedRun, node: SimulatedNode, image: KnownImage, digest: OciDigest): Promise<string | null> {
  const found = await findBlob(node.db, image.one.id, digest)
  if (found === null) return digest.text
  const content = await node.store.get(found.content)
  if (content === null) return `content of ${digest.text}`
  const pieces: Uint8Array[] = []
  for await (const piece of content.bytes) pieces.push(piece.slice())
  const wanted = run.images.blobs.get(digest.text)
  if (wanted === undefined || !equalBytes(concatBytes(pieces), wanted.bytes)) run.fault(`the blob ${digest.text} has other bytes`)
  return null
}
