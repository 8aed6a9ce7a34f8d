// Registry signatures (docs.npmjs.com, About registry signatures): ECDSA over P-256 with SHA-256 of `name@version:integrity`, in DER, base64.
import { createHash, type KeyObject } from 'node:crypto'

export const keyType = 'ecdsa-sha2-nistp256'

/** What is signed. @param integrity `sha512-…` */
export function signedText(name: string, version: string, integrity: string): string {
  return `${name}@${version}:${integrity}`
}

/** `SHA256:` and the base64 of the SHA-256 of SubjectPublicKeyInfo, as OpenSSH writes fingerprints but for its padding. */
export function keyIdOf(publicKey: KeyObject): string {
  return `SHA256:${createHash('sha256').update(derOf(publicKey)).digest('base64')}`
}

/** Base64 of SubjectPublicKeyInfo. */
export function publicKeyText(publicKey: KeyObject): string {
  return derOf(publicKey).toString('base64')
}

function derOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ format: 'der', type: 'spki' })
}
