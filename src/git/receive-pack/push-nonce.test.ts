import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { checkNonce, makeNonce, type NonceIssuer } from './push-nonce.ts'

const now = 1_700_000_000
const issuer: NonceIssuer = { seed: 'sekrit', repository: '7', format: 'sha1', slopS: 0 }
const nonce = makeNonce(issuer, now) as string

describe('nonces of signed pushes', () => {
  it('are a time and an HMAC of repository and time, by the object format’s hash', () => {
    assert.equal(nonce, `${now}-${createHmac('sha1', 'sekrit').update(`7:${now}`).digest('hex')}`)
    assert.equal(makeNonce({ ...issuer, format: 'sha256' }, now)?.length, 11 + 64)
    assert.equal(makeNonce({ ...issuer, seed: null }, now), null)
  })

  it('are OK when fresh, and SLOP when old, unless the slop allows it', () => {
    assert.deepEqual(checkNonce(issuer, nonce, now), { status: 'OK', nonce, slopS: 0 })
    const later = { status: 'SLOP', nonce: makeNonce(issuer, now + 5), slopS: 5 }
    assert.deepEqual(checkNonce(issuer, nonce, now + 5), later)
    assert.deepEqual(checkNonce({ ...issuer, slopS: 4 }, nonce, now + 5), later)
    assert.deepEqual(checkNonce({ ...issuer, slopS: 5 }, nonce, now + 5), { status: 'OK', nonce, slopS: 5 })
    // another node's clock is ahead
    assert.deepEqual(checkNonce({ ...issuer, slopS: 60 }, nonce, now - 9), { status: 'OK', nonce, slopS: -9 })
    assert.equal(checkNonce(issuer, nonce, now - 9).status, 'SLOP')
  })

  it('are BAD when not ours: another seed, another repository, another time, no nonce at all', () => {
    const others = [
      makeNonce({ ...issuer, seed: 'other' }, now),
      makeNonce({ ...issuer, repository: '8' }, now),
      nonce.replace(String(now), String(now + 1)),
      nonce.slice(0, -1),
      `${nonce}0`,
      `0${nonce}`,
      'x',
      '',
    ]
    for (const other of others) {
      assert.deepEqual(checkNonce({ ...issuer, slopS: 1e9 }, other, now), { status: 'BAD', nonce, slopS: null }, String(other))
    }
    fc.assert(fc.property(fc.string(), (noise) => checkNonce(issuer, noise, now).status === 'BAD'))
  })

  it('are MISSING when there is none, UNSOLICITED when none was given out', () => {
    assert.equal(checkNonce(issuer, null, now).status, 'MISSING')
    assert.equal(checkNonce({ ...issuer, seed: null }, nonce, now).status, 'UNSOLICITED')
    assert.equal(checkNonce({ ...issuer, seed: null }, null, now).status, 'MISSING')
  })
})
