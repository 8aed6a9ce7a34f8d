// Provenance: about this tarball or about another, signed or forged, vouched for or not.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { InputError, utf8 } from '../../base/index.ts'
import { TestSigstore } from '../../../tests/support/sigstore.ts'
import { openRoots } from './open-roots.ts'
import { verifyProvenance } from './provenance.ts'
import { TrustedRoots } from './trusted-roots.ts'

const sigstore = new TestSigstore()
const tarball = utf8('not looked into here')
const name = { full: '@acme/widget', scope: 'acme', base: 'widget' }
const attested = { name, version: '1.0.0', sha512: createHash('sha512').update(tarball).digest() }
const good = { name: name.full, version: '1.0.0', tarball }

interface Bundle {
  mediaType: unknown
  verificationMaterial: Record<string, unknown>
  dsseEnvelope: { payload: unknown; payloadType: unknown; signatures: { sig: string }[] }
}

function changed(change: (bundle: Bundle) => void): string {
  const bundle = JSON.parse(sigstore.provenance(good)) as Bundle
  change(bundle)
  return JSON.stringify(bundle)
}

function refusal(bundle: string, roots: TrustedRoots | null = null): string {
  try {
    verifyProvenance(bundle, attested, roots)
  } catch (error) {
    if (error instanceof InputError && error.code === 'bad-provenance') return error.message
    throw error
  }
  return 'taken'
}

describe('provenance', () => {
  test('is held against its own certificate where no root is known, and against the roots where there are some', () => {
    const bundle = sigstore.provenance(good)
    assert.deepEqual(verifyProvenance(bundle, attested, null), {
      predicateType: 'https://slsa.dev/provenance/v1',
      bundle,
      verified: 'signature',
      signer: sigstore.workflow,
    })
    assert.equal(verifyProvenance(bundle, attested, new TrustedRoots(sigstore.trustedRoot())).verified, 'root')
    const withQuery = sigstore.provenance({ ...good, subject: 'pkg:npm/%40acme/widget@1.0.0?repository_url=https://registry.example/' })
    assert.equal(verifyProvenance(withQuery, attested, null).verified, 'signature')
  })

  test('whose key is known elsewhere says only what it is about', () => {
    const bundle = changed((one) => (one.verificationMaterial = { publicKey: { hint: 'a key' } }))
    const { verified, signer } = verifyProvenance(bundle, attested, null)
    assert.deepEqual([verified, signer], ['structure', null])
    assert.match(refusal(bundle, new TrustedRoots(sigstore.trustedRoot())), /no root/i)
  })

  test('of another tarball, version or package', () => {
    assert.match(refusal(sigstore.provenance({ ...good, sha512: 'ab'.repeat(64) })), /another tarball/)
    assert.match(refusal(sigstore.provenance({ ...good, version: '1.0.1' })), /not about @acme\/widget@1.0.0/)
    assert.match(refusal(sigstore.provenance({ ...good, name: '@other/widget' })), /not about/)
  })

  test('forged: another payload under the signature, another signature, another certificate', () => {
    const other = JSON.parse(sigstore.provenance(good)) as Bundle
    const payload = Buffer.from(String(other.dsseEnvelope.payload), 'base64').toString().replace('example.org', 'example.net')
    assert.match(refusal(changed((one) => (one.dsseEnvelope.payload = Buffer.from(payload).toString('base64')))), /not signed/)
    assert.match(refusal(changed((one) => (one.dsseEnvelope.signatures = other.dsseEnvelope.signatures))), /not signed/)
    assert.match(refusal(changed((one) => (one.verificationMaterial = other.verificationMaterial))), /not signed/)
  })

  test('of somebody whom no root vouches for', () => {
    const roots = new TrustedRoots(new TestSigstore().trustedRoot())
    assert.match(refusal(sigstore.provenance(good), roots), /No root that this registry trusts/)
    const unlogged = changed((one) => (one.verificationMaterial['tlogEntries'] = []))
    assert.match(refusal(unlogged, new TrustedRoots(sigstore.trustedRoot())), /No root that this registry trusts/)
  })

  test('roots are read from the operator’s file; without one nobody vouches, and a bad one is an error', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stemma-roots-'))
    try {
      const [good, bad] = [join(folder, 'good.json'), join(folder, 'bad.json')]
      writeFileSync(good, sigstore.trustedRoot())
      writeFileSync(bad, '{"tlogs":7}')
      assert.equal(await openRoots(null), null)
      assert.ok(await openRoots(good))
      const isRefused = (error: unknown) => error instanceof InputError && error.code === 'bad-trusted-root'
      await assert.rejects(openRoots(bad), isRefused)
      await assert.rejects(openRoots(join(folder, 'none.json')), isRefused)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('that is none', () => {
    for (const text of ['', 'x', '[]', '{}', '{"mediaType":"text/plain"}']) assert.match(refusal(text), /bundle/)
    const faults: ((one: Bundle) => void)[] = [
      (one) => (one.mediaType = 'application/json'),
      (one) => (one.dsseEnvelope.payload = 'e30='),
      (one) => (one.dsseEnvelope.payload = '%%%'),
      (one) => (one.dsseEnvelope.payloadType = 'text/plain'),
      (one) => (one.dsseEnvelope.signatures = []),
      (one) => (one.verificationMaterial = {}),
      (one) => (one.verificationMaterial = { certificate: { rawBytes: 'AAAA' } }),
    ]
    for (const fault of faults) assert.match(refusal(changed(fault)), /bundle/, String(fault))
    assert.throws(
      () => new TrustedRoots('{"tlogs": 1'),
      (error) => error instanceof InputError && error.code === 'bad-trusted-root',
    )
  })
})
