// /admin/upstreams: where packages come from, and whose places are claimed.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { TestAccount } from '../support/accounts.ts'
import { openApi, type TestApi } from '../support/api.ts'

let api: TestApi
before(async () => {
  api = await openApi()
})
after(async () => await api?.close())

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
async function ask(method: string, path: string, body?: object, as: TestAccount = api.admin): Promise<{ status: number; body: any }> {
  const answer = await fetch(`${api.url}/api/v3/admin/upstreams${path}`, {
    method,
    headers: { authorization: `Bearer ${as.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? null : JSON.parse(text) }
}

test('images’ and npm’s upstreams are declared, changed, listed and removed; places of npm are claimed', async () => {
  const owner = api.owner.login
  const url = 'https://registry.example'
  const image = await ask('POST', '', { place: owner, url })
  assert.deepEqual([image.status, image.body.format, image.body.min_age_seconds], [201, 'oci', 0])
  const credentials = { username: '_authToken', password: 'npm_very_secret' }
  const npm = await ask('POST', '', { format: 'npm', place: `${owner}/@types`, url: `${url}/npm/`, credentials, min_age_seconds: 259_200 })
  assert.deepEqual([npm.status, npm.body.url, npm.body.username, npm.body.min_age_seconds], [201, `${url}/npm`, '_authToken', 259_200])
  const claim = await ask('POST', '', { format: 'npm', place: `${owner}/@types/own`, url: null })
  assert.deepEqual([claim.status, claim.body.url, claim.body.format], [201, null, 'npm'])
  const { body: all } = await ask('GET', '')
  assert.deepEqual(
    all.map(({ format, place, url: where }: Record<string, unknown>) => [format, place, where]),
    [
      ['oci', owner, url],
      ['npm', `${owner}/@types`, `${url}/npm`],
      ['npm', `${owner}/@types/own`, null],
    ],
  )
  assert.ok(!JSON.stringify(all).includes(credentials.password))
  const changed = await ask('PATCH', `/${npm.body.id}`, { min_age_seconds: 0, visibility: 'internal' })
  assert.deepEqual([changed.status, changed.body.min_age_seconds, changed.body.visibility], [200, 0, 'internal'])
  for (const { id } of all) assert.equal((await ask('DELETE', `/${id}`)).status, 204)
  assert.deepEqual((await ask('GET', '')).body, [])
})

test('what can’t be declared is told, and nobody but administrators declares', async () => {
  const owner = api.owner.login
  const url = 'https://registry.example'
  const wrong: [object, string][] = [
    [{ place: owner, url: null }, 'place'],
    [{ place: `${owner}/@types`, url }, 'place'],
    [{ format: 'npm', place: `${owner}/a/b`, url }, 'place'],
    [{ format: 'npm', place: 'nobody-there', url }, 'place'],
    [{ format: 'npm', place: owner, url: `${url}/?x` }, 'url'],
    [{ place: owner, url, min_age_seconds: 5 }, 'keep_seconds'],
  ]
  for (const [body, field] of wrong) {
    const answer = await ask('POST', '', body)
    assert.deepEqual([answer.status, answer.body.errors?.[0]?.field], [422, field], JSON.stringify(body))
  }
  const { body: claim } = await ask('POST', '', { format: 'npm', place: `${owner}/@acme`, url: null })
  assert.equal((await ask('PATCH', `/${claim.id}`, { fresh_seconds: 1 })).status, 422)
  assert.equal((await ask('POST', '', { format: 'npm', place: `${owner}/@acme`, url })).body.errors[0].code, 'already_exists')
  assert.equal((await ask('POST', '', { format: 'npm', place: owner, url }, api.owner)).status, 403)
  assert.equal((await ask('DELETE', `/${claim.id}`)).status, 204)
})
