// sign-in: how someone who has no token comes by one: passwords and sessions, OIDC, CI jobs' id-tokens. Format and rules: docs/design/sign-in.md.
export { type CiClaims, CiExchange, type CiSettings, type CiToken, keptClaims, notTrusted, spend } from './ci-exchange.ts'
export { type ClientLoginOptions, clientLoginUrl, registerClientLogins } from './client-login-pages.ts'
export { type BegunLogin, ClientLogins, type LoginOutcome } from './client-logins.ts'
export { sessionCookieHeader, visitorOf } from './cookies.ts'
export { type CiTrust, createCiTrust, deleteCiTrust, listCiTrusts, type NewCiTrust } from './ci-trusts.ts'
export { expireSignIns } from './expire.ts'
export { type Arrival, type Departure, localPath, type OidcSettings, OidcSignIn } from './oidc.ts'
export { assertPassword, Passwords } from './passwords.ts'
export { registerSignIn } from './routes.ts'
export { dropSecondFactor, type OtpMode, type OtpParts, type SecondFactor, SecondFactors } from './second-factors.ts'
export {
  beginSession,
  type BegunSession,
  checkPassword,
  endSession,
  type KnownAccount,
  listSessions,
  type SessionFacts,
  sessionSeconds,
  setPassword,
  type ShownPassword,
  signInByPassword,
  type SignInParts,
  type Visitor,
} from './sessions.ts'
