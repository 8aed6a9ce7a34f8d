// Sums that a manifest's `dist` says of its tarball: `integrity` (Subresource Integrity, W3C) and `shasum`. Pure.
import { equalBytes, fromHex } from '../../base/index.ts'

export interface TarballSums {
  readonly sha1: Uint8Array
  readonly sha512: Uint8Array
}

/** What is wrong with what is said of a tarball; null: nothing, or nothing is said. */
export function faultOfSums(dist: Readonly<Record<string, unknown>>, sums: TarballSums): string | null {
  const { integrity, shasum } = dist
  if (shasum !== undefined && shasum !== null) {
    if (typeof shasum !== 'string' || !/^[0-9a-f]{40}$/i.test(shasum)) return 'dist.shasum is no SHA-1 in hex'
    if (!equalBytes(fromHex(shasum), sums.sha1)) return `dist.shasum is ${shasum}, and the tarball’s SHA-1 is another`
  }
  return integrity === undefined || integrity === null ? null : faultOfIntegrity(integrity, sums)
}

/** Every hash that is known must be right, and one must be known. */
function faultOfIntegrity(integrity: unknown, sums: TarballSums): string | null {
  const words = typeof integrity === 'string' && integrity.length < 4096 ? integrity.split(/\s+/).filter((word) => word !== '') : []
  let isKnown = false
  for (const word of words) {
    const match = /^(sha1|sha512)-([A-Za-z0-9+/]+={0,2})(\?[\x21-\x7e]*)?$/.exec(word)
    if (!match) continue
    const said = Buffer.from(match[2] as string, 'base64')
    if (!said.equals(match[1] === 'sha1' ? sums.sha1 : sums.sha512))
      return `dist.integrity says ${word.slice(0, 120)}, and the tarball’s ${match[1]} is another`
    isKnown = true
  }
  return isKnown ? null : 'dist.integrity has no sha512 or sha1'
}

/** `sha512-…` */
export function formatIntegrity(sha512: Uint8Array): string {
  return `sha512-${Buffer.from(sha512).toString('base64')}`
}
