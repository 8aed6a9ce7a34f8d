// docs/openapi.json is what the server's own table of routes makes, and a document that tools understand.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { openApiDocument } from '../../src/api/index.ts'
import { openFaces, type TestFaces } from '../support/faces.ts'
import { version } from '../../src/version.ts'
import { root } from './tree.ts'

const path = join(root, 'docs/openapi.json')
let faces: TestFaces
let text: string
before(async () => {
  faces = await openFaces()
  text = `${JSON.stringify(await openApiDocument(faces.listener.routes, version), null, 1)}\n`
  if (process.env.STEMMA_WRITE_OPENAPI === '1') writeFileSync(path, text)
})
after(async () => await faces?.close())

interface Operation {
  readonly operationId: string
  readonly summary: string
}

test('docs/openapi.json is up to date', () => {
  assert.ok(
    readFileSync(path, 'utf8') === text,
    'routes or their schemas have changed: make openapi writes docs/openapi.json anew; land it along',
  )
})

test('every route of the API is in it, under a name of its own, with a summary', () => {
  const { paths } = JSON.parse(text) as { readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> }
  const operations = Object.values(paths).flatMap((of) => Object.values(of))
  const registered = faces.listener.routes.filter(({ method, url }) => method !== 'HEAD' && url.startsWith('/api/v3'))
  const lacking = registered.filter(({ schema }) => schema?.response === undefined).map(({ method, url }) => `${method} ${url}`)
  assert.deepEqual(lacking, [], 'these routes declare no answers')
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
  assert.ok(operations.length >= registered.length)
  const mute = operations.filter(({ summary }) => /^[A-Z]+ \//.test(summary)).map(({ summary }) => summary)
  assert.deepEqual(mute, [], 'these routes have no summary in their schemas')
})

test('a linter finds nothing wrong with it', async () => {
  const rules = {
    'no-ambiguous-paths': 'off', // branches and paths hold slashes, which a template cannot say
    'operation-4xx-response': 'off', // what may go wrong everywhere is `default`
    'tag-description': 'off',
  } as const
  const config = await createConfig({ extends: ['recommended-strict'], rules })
  const problems = await lintFromString({ source: text, absoluteRef: path, config })
  assert.deepEqual(
    problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} at ${location[0]?.pointer ?? ''}`),
    [],
  )
})
