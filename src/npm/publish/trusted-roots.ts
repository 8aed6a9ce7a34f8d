// Roots of trust for provenance, as Sigstore's file has them: loaded only where the operator names one (its libraries take a while).
import { bundleFromJSON } from '@sigstore/bundle'
import { TrustedRoot } from '@sigstore/protobuf-specs'
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify'
import { InputError } from '../../base/index.ts'
import type { Roots } from './provenance.ts'

export class TrustedRoots implements Roots {
  readonly #verifier: Verifier

  /** @param text Sigstore's `trusted_root.json`. InputError 'bad-trusted-root' */
  constructor(text: string) {
    try {
      const root = TrustedRoot.fromJSON(JSON.parse(text))
      if (root.certificateAuthorities.length === 0) throw new RangeError('the file names no certificate authority')
      this.#verifier = new Verifier(toTrustMaterial(root))
    } catch (cause) {
      throw new InputError('bad-trusted-root', 'The file of trusted roots is none of Sigstore’s (trusted_root.json)', { cause })
    }
  }

  /** InputError 'bad-provenance' where none of them vouches for it. */
  assertVouched(bundle: string): void {
    try {
      this.#verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(bundle))))
    } catch (cause) {
      const why = cause instanceof Error ? `: ${cause.message}` : ''
      throw new InputError('bad-provenance', `No root that this registry trusts vouches for the provenance${why}`.slice(0, 500), { cause })
    }
  }
}
