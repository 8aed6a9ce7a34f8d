// Where the clients lie, and how each is run.
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { runProcess } from '../support/git.ts'

/** `npm-11` is the release before npm's present one, which most machines still have. */
export type ClientName = 'npm' | 'npm-11' | 'pnpm' | 'yarn' | 'berry' | 'bun'

/** Beside `node_modules`; the first that is there. */
const programs: Readonly<Record<ClientName, readonly string[]>> = {
  npm: ['npm/bin/npm-cli.js'],
  'npm-11': ['npm-11/bin/npm-cli.js'],
  pnpm: ['@pnpm/exe.*/pnpm'],
  yarn: ['yarn/bin/yarn.js'],
  berry: ['@yarnpkg/cli-dist/bin/yarn.js'],
  bun: ['@oven/bun-*/bin/bun'],
}

const { code, stdout, stderr } = await runProcess('sh', [join(import.meta.dirname, 'install.sh')], { timeoutMs: 300_000 })
if (code !== 0) throw new Error(`the clients were not installed: ${stderr}`)
const folder = join(stdout.trim(), 'node_modules')

/** Program and first arguments: the JavaScript ones run on the project's Node. */
export function commandOf(name: ClientName): readonly [string, ...string[]] {
  const [found] = programs[name].flatMap((pattern) => globSync(pattern, { cwd: folder })).map((path) => join(folder, path))
  if (found === undefined || !existsSync(found)) throw new Error(`${name} is not in ${folder}: is there none for this platform?`)
  return found.endsWith('.js') ? [process.execPath, found] : [found]
}
