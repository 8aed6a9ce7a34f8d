// Signed URLs, held to the example that AWS gives in its documentation; tests/ceph asks a real server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signGet } from './presign.ts'

const signer = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', region: 'us-east-1' }
const request = {
  url: new URL('https://examplebucket.s3.amazonaws.com/test.txt'),
  at: new Date('2013-05-24T00:00:00.000Z'),
  lifetimeS: 86_400,
}

test('the documentation’s own example', () => {
  const signed = new URL(signGet(signer, request))
  assert.equal(signed.searchParams.get('X-Amz-Signature'), 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404')
  assert.equal(`${signed.origin}${signed.pathname}`, 'https://examplebucket.s3.amazonaws.com/test.txt')
  assert.equal(signed.searchParams.get('X-Amz-Credential'), 'AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request')
  assert.equal(signed.searchParams.get('X-Amz-Date'), '20130524T000000Z')
})

test('whatever is asked for is signed, too', () => {
  const signatures = [
    signGet(signer, request),
    signGet(signer, { ...request, lifetimeS: 60 }),
    signGet(signer, { ...request, answer: { 'response-content-type': 'application/octet-stream' } }),
    signGet({ ...signer, sessionToken: 'ends/by+itself=' }, request),
    signGet(signer, { ...request, url: new URL('https://examplebucket.s3.amazonaws.com:8443/test.txt') }),
    signGet(signer, { ...request, url: new URL('https://examplebucket.s3.amazonaws.com/another.txt') }),
  ].map((url) => new URL(url).searchParams.get('X-Amz-Signature'))
  assert.equal(new Set(signatures).size, signatures.length)
  const typed = signGet(signer, { ...request, answer: { 'response-content-type': "a b/'*" } })
  assert.match(typed, /[?&]response-content-type=a%20b%2F%27%2A&/)
})
