// A default branch that may not go: renaming it is refused, and leaves everything as it was.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { makeAccount, type TestAccount } from '../support/accounts.ts'
import { openFaces, type TestFaces } from '../support/faces.ts'

let faces: TestFaces
let ann: TestAccount
before(async () => {
  faces = await openFaces({ isWhole: true })
  ann = await makeAccount(faces.db, 'ann')
})
after(async () => await faces?.close())

async function ask(method: 'GET' | 'PUT' | 'POST', url: string, payload?: object) {
  const headers = { authorization: `Bearer ${ann.token}` }
  return faces.listener.inject({ method, url: `/api/v3${url}`, headers, ...(payload ? { payload } : {}) })
}

test('a protected default branch keeps its name, and stays the default', async () => {
  assert.equal((await ask('POST', '/user/repos', { name: 'app' })).statusCode, 201)
  assert.equal((await ask('PUT', '/repos/ann/app/contents/a', { message: 'first', content: 'eA==' })).statusCode, 201)
  assert.equal((await ask('POST', '/repos/ann/app/ref-rules', { pattern: 'main' })).statusCode, 201)
  const refused = await ask('POST', '/repos/ann/app/branches/main/rename', { new_name: 'trunk' })
  assert.equal(refused.statusCode, 422)
  assert.match(refused.json().message, /protected by the rule refs\/heads\/main/)
  assert.equal((await ask('GET', '/repos/ann/app')).json().default_branch, 'main')
  const names = (await ask('GET', '/repos/ann/app/branches')).json().map(({ name }: { readonly name: string }) => name)
  assert.deepEqual(names, ['main'])
})
