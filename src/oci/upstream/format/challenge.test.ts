import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseChallenges } from './challenge.ts'

const plain = (header: string) => parseChallenges(header)?.map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]) ?? null

test('challenges as registries send them', () => {
  assert.deepEqual(plain('Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull"'), [
    ['bearer', { realm: 'https://auth.example/token', service: 'registry.example', scope: 'repository:a/b:pull' }],
  ])
  assert.deepEqual(plain('Basic realm=private'), [['basic', { realm: 'private' }]])
  assert.deepEqual(plain('BEARER Realm = "a\\"b\\\\c" , error="x"'), [['bearer', { realm: 'a"b\\c', error: 'x' }]])
  assert.deepEqual(plain('Negotiate, Basic realm="x, y=z", Bearer realm="q"'), [
    ['negotiate', {}],
    ['basic', { realm: 'x, y=z' }],
    ['bearer', { realm: 'q' }],
  ])
  assert.deepEqual(plain('NTLM TlRMTVNTUAAB==, Basic realm="r"'), [
    ['ntlm', {}],
    ['basic', { realm: 'r' }],
  ])
  assert.deepEqual(plain(' ,, Basic ,'), [['basic', {}]])
  assert.deepEqual(plain('Bearer realm='), [['bearer', {}]]) // a token68
})

test('what is malformed is no challenge at all, also behind a good one', () => {
  const bad = ['', ' ', ',', '=', 'realm="x"', 'Bearer realm="x', 'Bearer realm="x\\"', 'Bearer realm="a" service="b"']
  bad.push(
    'Bearer realm="a", realm="b"',
    'Bearer realm="a", Realm="b"',
    'Bearer foo bar',
    'Bearer realm="a"x',
    'Bearer realm="a\nb"',
    'Bearer \0',
  )
  bad.push(
    'Basic realm="ok", Bearer realm="',
    'Bearer realm=a b',
    `Bearer realm="${'x'.repeat(9000)}"`,
    'Bearer "realm"="x"',
    'Bearer abc= realm=x',
  )
  for (const header of bad) assert.equal(parseChallenges(header), null, JSON.stringify(header))
})

test('any text is read or refused, in no time', () => {
  const pieces = ['Bearer', ' ', ',', '"', '\\', '=', 'realm', 'x', '\t', 'é', 'Basic realm="y"']
  let seed = 7
  const next = (below: number) => (seed = (seed * 48271) % 2147483647) % below
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: next(12) }, () => pieces[next(pieces.length)]).join('')
    for (const { scheme, parameters } of parseChallenges(text) ?? []) {
      assert.match(scheme, /^[a-z]+$/)
      for (const name of parameters.keys()) assert.equal(name, name.toLowerCase())
    }
  }
})
