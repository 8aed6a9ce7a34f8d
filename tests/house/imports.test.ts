// The import table: which room may import which. Rooms import downward only, and through a room's index.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { importsOf, root, sourceFiles } from './tree.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const table: Record<string, readonly string[]> = {
  base: [],
  db: ['base'],
  http: ['base'],
  bucket: ['base'],
  jobs: ['base', 'db', 'bucket'],
  access: ['base', 'db', 'http'],
  store: ['base', 'db', 'bucket', 'jobs'],
  lfs: ['base', 'db', 'http', 'jobs', 'access', 'store'],
  packages: ['base', 'db', 'http', 'jobs', 'access', 'store'],
  oci: ['base', 'db', 'http', 'jobs', 'access', 'store', 'packages'],
  generic: ['base', 'db', 'http', 'jobs', 'access', 'store', 'packages'],
  npm: ['base', 'db', 'http', 'jobs', 'access', 'sign-in', 'store', 'packages'],
  git: ['base', 'db', 'http', 'bucket', 'jobs', 'access'],
  hooks: ['base', 'db', 'http', 'jobs', 'access'],
  ssh: ['base', 'db', 'http', 'access', 'git'],
  'sign-in': ['base', 'db', 'http', 'jobs', 'access'],
  api: ['base', 'db', 'http', 'bucket', 'jobs', 'access', 'sign-in', 'git', 'store', 'packages', 'oci', 'npm', 'hooks'],
  backup: ['base', 'db', 'bucket', 'jobs'],
  cli: ['base', 'db', 'bucket', 'jobs', 'access', 'sign-in', 'store', 'lfs', 'packages', 'oci', 'npm', 'git', 'ssh', 'backup'],
}

/** The command puts rooms together, as src/main.ts does for the server: with the files that stand above the rooms. */
const composition = ['cli']

function roomOf(path: string): string | null {
  const match = /^src\/([^/]+)\//.exec(path)
  return match ? (match[1] as string) : null
}

const files = sourceFiles('src/*/**/*.ts').filter((file) => !file.path.endsWith('.test.ts'))

test('every room stands in the table', () => {
  const rooms = new Set(files.map((file) => roomOf(file.path)))
  assert.deepEqual(
    [...rooms].sort(),
    Object.keys(table).sort(),
    'add the room to the table in tests/house/imports.test.ts and to ARCHITECTURE.md',
  )
})

test('rooms import downward only, through index.ts', () => {
  const wrong: string[] = []
  for (const file of files) {
    const room = roomOf(file.path) as string
    for (const target of importsOf(file)) {
      const other = roomOf(target)
      if (other === null) {
        if (target.startsWith('src/') && !composition.includes(room))
          wrong.push(`${file.path} imports ${target}: rooms get settings as parameters, from src/main.ts`)
        continue
      }
      if (other === room) continue
      if (!table[room]?.includes(other))
        wrong.push(`${file.path} imports ${target}: ${room} may import ${table[room]?.join(', ') || 'nothing'}`)
      else if (target !== `src/${other}/index.ts`) wrong.push(`${file.path} imports ${target}: go through src/${other}/index.ts`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('a format/ folder is pure: no file, network, clock, database, environment or other room but base', () => {
  const impure = /^node:(?!crypto$|zlib$|buffer$|util$|assert)|^(pg|kysely|fastify|pino)$/
  const wrong: string[] = []
  for (const file of files.filter((f) => f.path.includes('/format/'))) {
    for (const target of importsOf(file)) {
      const room = roomOf(target)
      if (impure.test(target) || (room !== null && room !== 'base' && !target.includes('/format/')))
        wrong.push(`${file.path} imports ${target}`)
    }
    if (/\bprocess\.|Date\.now\(|Math\.random\(/.test(file.text)) wrong.push(`${file.path} uses process, the clock or randomness`)
  }
  assert.deepEqual(wrong, [])
})

test('ARCHITECTURE.md prints the table', () => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  for (const [room, below] of Object.entries(table)) {
    const row = `| ${room} | ${below.join(', ') || '—'} |`
    assert.ok(text.includes(row), `ARCHITECTURE.md lacks the row: ${row}`)
  }
})
