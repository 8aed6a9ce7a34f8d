import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { signatureAt, signatureKind, signedCommit, signedTag } from './signed-object.ts'

const bytes = (text: string) => Buffer.from(text, 'latin1')
const parts = (found: ReturnType<typeof signedCommit>) => found && [found.signature, Buffer.from(found.payload).toString('latin1')]
const head = 'tree 1\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n'

test('a commit: the header with its lines is the signature, all else what it signs', () => {
  assert.equal(signedCommit(bytes(`${head}\nmessage\ngpgsig no header\n`), 'sha1'), null)
  const signed = `${head}gpgsig one\n two\n \n three\nencoding x\n\nmessage\n more\n`
  assert.deepEqual(parts(signedCommit(bytes(signed), 'sha1')), ['one\ntwo\n\nthree\n', `${head}encoding x\n\nmessage\n more\n`])
  // bytes that are no text stay what they are
  assert.deepEqual(parts(signedCommit(bytes(`${head}gpgsig x\n\n\xff\xfe`), 'sha1')), ['x\n', `${head}\n\xff\xfe`])
})

test('a commit: what was signed by the other hash belongs to neither', () => {
  const both = `${head}gpgsig one\n 1\ngpgsig-sha256 two\n 2\nmore x\n y\n\nm\n`
  const left = `${head}more x\n y\n\nm\n`
  assert.deepEqual(parts(signedCommit(bytes(both), 'sha1')), ['one\n1\n', left])
  assert.deepEqual(parts(signedCommit(bytes(both), 'sha256')), ['two\n2\n', left])
  assert.equal(signedCommit(bytes(`${head}gpgsig-sha256 two\n\nm\n`), 'sha1'), null)
  assert.equal(signedCommit(bytes(`${head}gpgsignature x\n\nm\n`), 'sha1'), null)
})

test('a commit: several signatures are one text, which is none of one signature', () => {
  assert.deepEqual(parts(signedCommit(bytes(`${head}gpgsig one\ngpgsig two\n\nm`), 'sha1')), ['one\ntwo\n', `${head}\nm`])
})

test('a tag: the last line that begins one, and what is behind it', () => {
  const body = 'object 1\ntype commit\ntag x\n\nwords\n'
  const ssh = '-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n'
  assert.equal(signedTag(bytes(body), 'sha1'), null)
  assert.deepEqual(parts(signedTag(bytes(body + ssh), 'sha1')), [ssh, body])
  assert.deepEqual(parts(signedTag(bytes(`${body}${ssh}${ssh}`), 'sha1')), [ssh, body + ssh])
  assert.equal(signedTag(bytes(`${body} ${ssh}`), 'sha1'), null)
  assert.deepEqual(parts(signedTag(bytes(`tag x\ngpgsig-sha256 y\n z\n\nw\n${ssh}`), 'sha1')), [ssh, 'tag x\n\nw\n'])
})

test('kinds, by what git knows', () => {
  assert.deepEqual(
    ['PGP SIGNATURE', 'PGP MESSAGE', 'SSH SIGNATURE', 'SIGNED MESSAGE', 'PGP PUBLIC KEY BLOCK'].map((name) =>
      signatureKind(`-----BEGIN ${name}-----\n`),
    ),
    ['openpgp', 'openpgp', 'ssh', 'x509', null],
  )
})

test('nothing is lost: payload and signature are the bytes that there were', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      const found = signedTag(noise, 'sha1')
      assert.equal(signatureAt(noise) === noise.length, found === null)
      const commit = signedCommit(Buffer.concat([bytes('gpgsig x\n\n'), noise]), 'sha1')
      assert.deepEqual(Buffer.from(commit?.payload ?? []), Buffer.concat([bytes('\n'), noise]))
    }),
  )
})
