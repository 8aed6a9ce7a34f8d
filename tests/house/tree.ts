// Reads the house as text: its source files and what they import. For the tests that hold the house's rules.
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = normalize(join(dirname(fileURLToPath(import.meta.url)), '../..'))

export interface SourceFile {
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
}

/** Files below the checkout's root that match, sorted. */
export function sourceFiles(...patterns: string[]): SourceFile[] {
  return globSync(patterns, { cwd: root, exclude: (name) => name === 'node_modules' })
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8')
      return { path, text, lines: text.split('\n') }
    })
}

/** What a file imports: paths from the root for files of the house, names for packages. */
export function importsOf(file: SourceFile): string[] {
  const found = [...file.text.matchAll(/^(?:import|export)\s[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm)]
  return found
    .map((match) => match[1] ?? match[2] ?? match[3] ?? '')
    .map((specifier) => (specifier.startsWith('.') ? normalize(join(dirname(file.path), specifier)) : specifier))
}
