// Provenance that is published with a version: that it is about this tarball, who signed it, and, where the operator has said whom he trusts, that one of them vouches
// for that. docs/design/npm.md, Provenance.
import { hex, InputError } from '../../base/index.ts'
import type { NpmName } from '../format/names.ts'
import { isPurlOf, parseSignedStatement, signerOf } from '../format/sigstore-bundle.ts'

export interface Attestation {
  readonly predicateType: string
  /** As it came. */
  readonly bundle: string
  /**
   * `structure`: it is about this tarball; the bundle has no key to hold its signature against. `signature`: and it is signed with the key of the certificate in it.
   * `root`: and a root that the operator trusts vouches for that certificate, and for the time of the signature.
   */
  readonly verified: 'structure' | 'signature' | 'root'
  /** Whom the certificate names; null: there is none, or it names nobody. */
  readonly signer: string | null
}

export interface Attested {
  readonly name: NpmName
  readonly version: string
  readonly sha512: Uint8Array
}

/** Whom the operator trusts to say who signed (trusted-roots.ts). */
export interface Roots {
  /** InputError 'bad-provenance' where none of them vouches for it. */
  assertVouched(bundle: string): void
}

/** InputError 'bad-provenance'. Where there are roots, one of them must vouch. */
export function verifyProvenance(bundle: string, { name, version, sha512 }: Attested, roots: Roots | null): Attestation {
  const { predicateType, subjects, certificate } = parseSignedStatement(bundle)
  const [subject, ...more] = subjects
  if (subject === undefined || more.length > 0) throw new InputError('bad-provenance', 'Provenance is about one tarball')
  if (!isPurlOf(subject.name, name.full, version))
    throw new InputError('bad-provenance', `The provenance is about ${subject.name.slice(0, 300)}, not about ${name.full}@${version}`)
  if (subject.sha512 !== hex(sha512))
    throw new InputError('bad-provenance', 'The provenance is about another tarball: its sha512 is not this one’s')
  roots?.assertVouched(bundle)
  const verified = roots !== null ? 'root' : certificate !== null ? 'signature' : 'structure'
  return { predicateType, bundle, verified, signer: certificate === null ? null : signerOf(certificate) }
}
