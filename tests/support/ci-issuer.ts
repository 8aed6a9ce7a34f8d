// A CI provider on loopback: what it signs, and where its keys are.
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

export interface Issuer {
  readonly url: string
  sign(claims: Readonly<Record<string, unknown>>, more?: { audience?: string; expires?: string; key?: 'stranger' }): Promise<string>
  close(): Promise<void>
}

/** Hands out id-tokens as a CI provider does. */
export async function openIssuer(): Promise<Issuer> {
  const [own, stranger] = [await generateKeyPair('RS256'), await generateKeyPair('RS256')]
  const jwk = { ...(await exportJWK(own.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }
  const http: HttpServer = createServer((request, response) => {
    const document = request.url === '/keys' ? { keys: [jwk] } : { issuer: url, jwks_uri: `${url}/keys` }
    response.setHeader('content-type', 'application/json').end(JSON.stringify(document))
  })
  await new Promise<void>((done) => void http.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  let count = 0
  return {
    url,
    sign: async (claims, { audience = 'stemma-test', expires = '5m', key } = {}) =>
      new SignJWT({ jti: `job-${++count}`, sub: 'repo:org/app:ref:refs/heads/main', ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
        .setIssuer(url)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime(expires)
        .sign(key === 'stranger' ? stranger.privateKey : own.privateKey),
    close: async () => {
      http.closeAllConnections()
      await new Promise<void>((done) => void http.close(() => done()))
    },
  }
}
