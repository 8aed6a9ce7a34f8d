import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ociCode, ociErrors, ociStatuses } from './errors.ts'

/** distribution-spec, Error Codes, and what Docker's registry has beside them. */
const known = (
  'BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID MANIFEST_UNKNOWN NAME_INVALID NAME_UNKNOWN ' +
  'SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED TOOMANYREQUESTS TAG_INVALID PAGINATION_NUMBER_INVALID UNAVAILABLE UNKNOWN'
).split(' ')

test('every code is one of the protocol’s, every status an error', () => {
  for (const { code, status } of Object.values(ociErrors)) {
    assert.ok(known.includes(code), code)
    assert.ok(status >= 400 && status < 600)
  }
})

test('whatever goes wrong has a code: ours, other rooms’, and by status alone', () => {
  assert.equal(ociCode('blob-unknown', 404), 'BLOB_UNKNOWN')
  assert.equal(ociCode('digest-mismatch', 400), 'DIGEST_INVALID')
  assert.equal(ociCode('bad-credentials', 401), 'UNAUTHORIZED')
  assert.equal(ociCode('suspended', 403), 'DENIED')
  assert.equal(ociCode('rate', 429), 'TOOMANYREQUESTS')
  assert.equal(ociCode('unavailable', 503), 'UNAVAILABLE')
  assert.equal(ociCode('internal', 500), 'UNKNOWN')
  assert.equal(ociCode('bad-scope', 400), 'UNSUPPORTED')
  assert.equal(ociCode('whatever', 418), 'UNSUPPORTED')
  assert.equal(ociStatuses['digest-mismatch'], 400)
})

test('docs/design/oci.md prints the table', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/design/oci.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \| (.+) \| (.+) \|$/gm)].map(([, ...cells]) => cells)
  assert.deepEqual(
    rows,
    Object.values(ociErrors).map(({ code, status, message, client }) => [code, String(status), message, client]),
  )
})
