// Style that a machine can check, told to whoever breaks it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root, sourceFiles } from './tree.ts'

const product = sourceFiles('src/**/*.ts', 'kernels/**/*.ts').filter((file) => !/\.(test|gen)\.ts$/.test(file.path))
const all = sourceFiles('src/**/*.ts', 'kernels/**/*.ts', 'tests/**/*.ts', 'bench/**/*.ts').filter((file) => !file.path.endsWith('.gen.ts'))

function offenders(files: typeof all, pattern: RegExp, except: readonly string[] = []): string[] {
  return files
    .filter((file) => !except.includes(file.path))
    .flatMap((file) => file.lines.flatMap((line, i) => (pattern.test(line) ? [`${file.path}:${i + 1}: ${line.trim()}`] : [])))
}

test('a file has at most 450 lines, better 300: split it where its second subject begins', () => {
  assert.deepEqual(
    product.filter((file) => file.lines.length > 450).map((file) => `${file.path}: ${file.lines.length}`),
    [],
  )
})

test('a file says in its first line what it holds', () => {
  assert.deepEqual(
    all.filter((file) => !file.path.endsWith('.test.ts') && !/^(#!.*\n)?\/[/*]/.test(file.text)).map((file) => file.path),
    [],
  )
})

test('names say what is inside: no utils, helpers, manager, service; kebab-case', () => {
  const paths = all.map((file) => file.path)
  assert.deepEqual(
    paths.filter((path) => /(^|\/)(utils?|helpers?|common|misc)(\/|\.)|manager|service/i.test(path) || !/^[a-z0-9/.-]+$/.test(path)),
    [],
  )
})

test('nothing is left over', () => {
  const self = ['tests/house/tidy.test.ts']
  assert.deepEqual(offenders(all, /\b(TODO|FIXME|XXX|HACK)\b|@ts-ignore|@ts-expect-error|\bdebugger\b/, self), [])
  assert.deepEqual(offenders(all, /\.(only|todo)\(|\b(only|todo): *true/, self), [])
})

test('a word stands in the glossary once', () => {
  const words = [...readFileSync(join(root, 'GLOSSARY.md'), 'utf8').matchAll(/^\| ([^|]+?) \|/gm)].map(([, word]) => word as string)
  assert.ok(words.length > 50)
  assert.deepEqual(
    words.filter((word, at) => words.indexOf(word) !== at),
    [],
  )
})

test('only src/config.ts reads the environment', () => {
  assert.deepEqual(offenders(product, /process\.env/, ['src/config.ts']), [])
})

test('clock and randomness are handed in', () => {
  const real = ['src/base/clock.ts']
  assert.deepEqual(offenders(product, /\bDate\.now\(|new Date\(\)|Math\.random\(|\brandomUUID\(|\brandomBytes\(/, real), [])
})

test('no shift past 31 bits by mistake: sizes use arithmetic', () => {
  assert.deepEqual(
    offenders(
      product.filter((file) => !file.path.startsWith('kernels/assembly/')), // 64-bit integers there
      /<< ?(3[2-9]|[4-9]\d)\b/,
    ),
    [],
  )
})
