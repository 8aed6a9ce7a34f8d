// The roots of trust that the operator has named, read when the server starts.
import { readFile } from 'node:fs/promises'
import { InputError } from '../../base/index.ts'
import type { Roots } from './provenance.ts'

/**
 * Null: he has named none.
 * @param path of a `trusted_root.json`. InputError 'bad-trusted-root'
 */
export async function openRoots(path: string | null): Promise<Roots | null> {
  if (path === null) return null
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new InputError('bad-trusted-root', `npm.trustedRoots: ${path} cannot be read`, { cause })
  })
  const { TrustedRoots } = await import('./trusted-roots.ts')
  return new TrustedRoots(text)
}
