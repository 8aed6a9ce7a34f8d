// What the API's schemas are called in its document: as they are exported by the files of schemas, without `Json`. The files are found by their names, so that
// a new schema needs no entry anywhere.
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = join(import.meta.dirname, '..')

/** Names by schemas as text: two that are the same share the first name. */
export async function schemaNames(): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>()
  const taken = new Set<string>()
  for (const file of globSync('*schemas.ts', { cwd: folder }).sort()) {
    const exported = (await import(pathToFileURL(join(folder, file)).href)) as Readonly<Record<string, unknown>>
    for (const [key, schema] of Object.entries(exported).sort(([a], [b]) => (a < b ? -1 : 1))) {
      const name = key.replace(/Json$/, '')
      if (name === key || !isStructure(schema) || taken.has(name)) continue
      const text = JSON.stringify(schema)
      if (names.has(text)) continue
      names.set(text, name)
      taken.add(name)
    }
  }
  return names
}

function isStructure(schema: unknown): boolean {
  return (
    typeof schema === 'object' &&
    schema !== null &&
    ('properties' in schema || 'allOf' in schema || 'anyOf' in schema || 'patternProperties' in schema)
  )
}
