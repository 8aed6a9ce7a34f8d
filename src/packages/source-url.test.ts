// Which texts name a repository of this server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSourceUrl } from './source-url.ts'

test('the source of a package: a repository under one of the server’s own origins', () => {
  const origins = ['https://git.example:8443', null, 'http://127.0.0.1:8080']
  const of = (text: string) => parseSourceUrl(text, origins)
  const app = { owner: 'olive', name: 'app' }
  assert.deepEqual(of('https://git.example:8443/olive/app'), app)
  assert.deepEqual(of('http://127.0.0.1:8080/olive/app.git'), app)
  assert.deepEqual(of('https://git.example:8443/olive/app/'), app)
  assert.deepEqual(of('git+https://git.example:8443/olive/app.git'), app)
  assert.deepEqual(of('git+ssh://git@git.example/olive/app.git'), app)
  assert.deepEqual(of('ssh://git@git.example:2222/olive/app'), app)
  for (const text of [
    '',
    'olive/app',
    'github:olive/app',
    'https://git.example/olive/app',
    'https://elsewhere.example/olive/app',
    'git+ssh://git@elsewhere.example/olive/app.git',
    'https://git.example:8443/olive',
    'https://git.example:8443/olive/app/tree/main',
    'javascript://git.example:8443/a/b',
    'git+file:///olive/app',
    `https://git.example:8443/a/${'b'.repeat(3000)}`,
  ])
    assert.equal(of(text), null, text)
})
