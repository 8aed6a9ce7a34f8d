// The audit's words: those of the code, those that docs/design/audit.md explains, and those that something writes are the same.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { auditActions } from '../../src/access/index.ts'
import { root, sourceFiles } from './tree.ts'

test('docs/design/audit.md explains every word of the audit, in the words of the code', () => {
  const page = readFileSync(join(root, 'docs/design/audit.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `([\w-]+\.[\w-]+)` \| (.+) \|$/gm)].map(([, word = '', means = '']) => [word, means])
  assert.deepEqual(rows, Object.entries(auditActions))
})

test('every word of the audit is written by something', () => {
  const text = sourceFiles('src/**/*.ts')
    .filter(({ path }) => !path.endsWith('.test.ts') && !path.endsWith('/audit-actions.ts'))
    .map((file) => file.text)
    .join('\n')
  assert.deepEqual(
    Object.keys(auditActions).filter((word) => !text.includes(`'${word}'`)),
    [],
  )
})
