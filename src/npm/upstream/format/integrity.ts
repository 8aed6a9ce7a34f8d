// What a tarball's bytes must be, as documents say it: Subresource Integrity (W3C SRI), or SHA-1 alone, in documents from before there was that. Pure.
import type { Dist } from './document.ts'

/** The strongest first: as SRI has it, the others don't count beside it. */
const algorithms = { sha512: 64, sha384: 48, sha256: 32, sha1: 20 } as const

/** `sha512:…` in hex, of the strongest algorithm that is named; null: nothing is said that the bytes could be held to. */
export function expectedDigest({ integrity, shasum }: Pick<Dist, 'integrity' | 'shasum'>): string | null {
  const words = (integrity ?? '').split(/\s+/)
  for (const [algorithm, sizeBytes] of Object.entries(algorithms)) {
    for (const word of words) {
      if (!word.startsWith(`${algorithm}-`)) continue
      const digest = Buffer.from(word.slice(algorithm.length + 1).split('?', 1)[0] ?? '', 'base64')
      if (digest.length === sizeBytes) return `${algorithm}:${digest.toString('hex')}`
    }
  }
  return shasum !== null && /^[0-9a-f]{40}$/i.test(shasum) ? `sha1:${shasum.toLowerCase()}` : null
}
