// Where a program of these tests lies, built where it isn't yet.
import { join } from 'node:path'
import { runProcess } from '../support/git.ts'

/** `skipped` says in one line why it can't be built here. */
export async function installed(name: string): Promise<{ readonly path: string } | { readonly skipped: string }> {
  const { code, stdout, stderr } = await runProcess('sh', [join(import.meta.dirname, 'install.sh'), name], { timeoutMs: 900_000 })
  if (code === 3) return { skipped: stdout.trim() }
  if (code !== 0) throw new Error(`${name} was not built: ${stderr}`)
  return { path: stdout.trim() }
}
