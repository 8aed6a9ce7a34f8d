// signatures: who signed commits and tags, by the keys that users have here.
export {
  readGpgKey,
  type SignedObject,
  SignatureVerifier,
  unsigned,
  type Verification,
  type VerificationReason,
} from './signature-verifier.ts'
