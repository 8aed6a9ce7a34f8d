// sign-in: how someone who has no token comes by one: passwords and sessions, OIDC, CI jobs' id-tokens. Format and rules: docs/design/sign-in.md.
export { CiExchange, type CiSettings, type CiToken } from './ci-exchange.ts'
export { type CiTrust, createCiTrust, deleteCiTrust, listCiTrusts, type NewCiTrust } from './ci-trusts.ts'
export { expireSignIns } from './expire.ts'
export { type Arrival, type Departure, localPath, type OidcSettings, OidcSignIn } from './oidc.ts'
export { assertPassword, Passwords } from './passwords.ts'
export { registerSignIn, sessionCookieHeader, visitorOf } from './routes.ts'
export {
  beginSession,
  type BegunSession,
  endSession,
  listSessions,
  type SessionFacts,
  sessionSeconds,
  setPassword,
  signInByPassword,
  type SignInParts,
  type Visitor,
} from './sessions.ts'
