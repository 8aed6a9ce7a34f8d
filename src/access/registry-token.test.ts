import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, Sealer, systemRandomness } from '../base/index.ts'
import type { AccountId, Identity } from './identity.ts'
import { isPassFor, isRegistryToken, narrowed, RegistryTokens } from './registry-token.ts'
import { hashToken } from './token-issue.ts'

let nowMs = Date.UTC(2026, 0, 1)
const clock: Clock = { now: () => nowMs, monotonic: () => nowMs }
const tokens = new RegistryTokens(new Sealer(new Uint8Array(32), systemRandomness), clock)
const packages = [{ name: 'alice/app', actions: ['pull', 'push'] }] as const

test('a pass says whose it is and what for, as long as its time lasts, and on servers with the same key', () => {
  const { token } = tokens.issue({ hash: hashToken('stm_1'), packages })
  assert.ok(isRegistryToken(token) && /^[A-Za-z0-9._~+/-]+$/.test(token), 'as RFC 6750 takes it')
  const read = tokens.open(token)
  assert.deepEqual([Buffer.from(read?.hash ?? []), read?.packages], [Buffer.from(hashToken('stm_1')), packages])
  const other = new RegistryTokens(new Sealer(new Uint8Array(32).fill(1), systemRandomness), clock)
  assert.equal(other.open(token), null)
  nowMs += tokens.lifetimeSeconds * 1000
  assert.equal(tokens.open(token), null)
})

test('what was changed, cut or made up is no pass', () => {
  const { token } = tokens.issue({ hash: null, packages: [] })
  assert.equal(tokens.open(token)?.hash, null)
  for (let at = 5; at < token.length; at++) {
    const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
    // the last digit of base64 has bits that mean nothing
    if (Buffer.from(changed.slice(18), 'base64url').equals(Buffer.from(token.slice(18), 'base64url')) && at >= 18) continue
    assert.equal(tokens.open(changed), null, String(at))
  }
  for (const made of ['stmr_', 'stmr_.', `stmr_${'x'.repeat(20_000)}`, 'stm_0', token.slice(0, -3)]) assert.equal(tokens.open(made), null)
})

test('a pass is for what it names, and takes away all else', () => {
  assert.ok(isPassFor(packages, 'package:read', { owner: 'Alice', name: 'app' }))
  assert.ok(isPassFor(packages, 'package:write', { owner: 'alice', name: 'APP' }))
  for (const [action, name] of [
    ['package:delete', 'app'],
    ['package:administer', 'app'],
    ['package:read', 'other'],
  ] as const)
    assert.equal(isPassFor(packages, action, { owner: 'alice', name }), false)
  const alice: Identity = { kind: 'account', accountId: 1 as AccountId, login: 'alice', isAdmin: true, grant: null, tokenId: 1 }
  const grantOf = (identity: Identity) => (identity.kind === 'anonymous' ? null : identity.grant?.scopes)
  assert.deepEqual(grantOf(narrowed(alice, packages)), ['package:admin'])
  const grant = { scopes: ['repository:admin', 'package:read'] as const, ownerIds: null, repositoryIds: null }
  assert.deepEqual(grantOf(narrowed({ ...alice, grant }, packages)), ['package:read'])
  assert.equal(narrowed({ kind: 'anonymous' }, packages).kind, 'anonymous')
})
