// For tests of the API's Git half: a repository that has one of everything, and what refusals look like.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Git } from './git.ts'

interface Refused {
  readonly status: number
  readonly message: string
}

/** The refusal, which must be in GitHub's shape. */
export async function refusal(call: Promise<unknown>): Promise<Refused> {
  try {
    await call
  } catch (error) {
    const { status, response } = error as { status: number; response?: { data: { message: string; status: string } } }
    assert.ok(response, String(error))
    assert.equal(response.data.status, String(status))
    return { status, message: response.data.message }
  }
  return assert.fail('it was not refused')
}

export const submoduleUrl = 'https://example.com/library.git'

/**
 * Files of every kind, a merge, renames with and without a change, branches and tags of every kind.
 * `main`, `feature/one` (diverged), tags `v1` (annotated) and `light`.
 */
export async function makeVaried(git: Git, path: string): Promise<string> {
  let seconds = 1_700_000_000
  const at = () => {
    seconds += 100
    return { GIT_AUTHOR_DATE: `${seconds} +0200`, GIT_COMMITTER_DATE: `${seconds} +0000` }
  }
  const run = async (...args: string[]) => await git.run(args, { cwd: path, env: at() })
  const write = (name: string, bytes: string | Uint8Array) => {
    mkdirSync(join(path, name, '..'), { recursive: true })
    writeFileSync(join(path, name), bytes)
  }
  const commit = async (message: string, ...more: string[]) => {
    await run('add', '-A')
    await run('commit', '-q', '-m', message, ...more)
  }
  const lines = (count: number, word = 'line') => Array.from({ length: count }, (_, i) => `${word} ${i}\n`).join('')
  await git.run(['init', '-q', path])
  write('README.md', '# One of everything\n')
  write('src/code.c', `int first(void)\n{\n${lines(40, '\tcall')}}\n`)
  write('src/deep/er/file.txt', lines(60))
  write('no-end.txt', 'without a line end')
  await commit('first\n\nwith a body')
  write('src/code.c', `int first(void)\n{\n${lines(40, '\tcall').replace('call 20', 'other 20')}}\n`)
  write(
    'binary.bin',
    Uint8Array.from({ length: 3000 }, (_, i) => (i * 7) % 256),
  )
  write('empty', '')
  write('run.sh', '#!/bin/sh\n')
  chmodSync(join(path, 'run.sh'), 0o755)
  symlinkSync('src/code.c', join(path, 'link'))
  symlinkSync('nowhere', join(path, 'dangling'))
  symlinkSync('../outside', join(path, 'outside'))
  write('ünï cödé/größe "quoted".txt', 'ümlaut\n')
  await commit('kinds of files', '--author=Ada Lovelace <ada@example.com>')
  await run('tag', '-a', 'v1', '-m', 'version one')
  await run('tag', 'light')
  await run('checkout', '-q', '-b', 'feature/one')
  write('feature.txt', lines(10))
  await commit('a feature', '--author=Ada Lovelace <ada@example.com>')
  await run('checkout', '-q', 'main')
  renameSync(join(path, 'src/deep/er/file.txt'), join(path, 'src/moved.txt'))
  await commit('moved')
  write('src/moved-and-changed.txt', lines(60).replace('line 30', 'another line'))
  renameSync(join(path, 'src/moved.txt'), join(path, 'src/gone.txt'))
  await run('rm', '-q', '--cached', 'src/moved.txt')
  await run('clean', '-fdq', '--', 'src/gone.txt')
  await commit('moved and changed')
  await run('merge', '-q', '--no-ff', '-m', 'merge the feature', 'feature/one')
  write('.gitmodules', `[submodule "library"]\n\tpath = lib/library\n\turl = ${submoduleUrl}\n`)
  await run('update-index', '--add', '--cacheinfo', '160000,1234567890123456789012345678901234567890,lib/library')
  await run('add', '.gitmodules')
  await run('commit', '-q', '-m', 'a submodule')
  write('no-end.txt', 'with one now\n')
  write('run.sh', '#!/bin/sh\n')
  chmodSync(join(path, 'run.sh'), 0o644)
  await run('add', 'no-end.txt', 'run.sh')
  await run('commit', '-q', '-m', 'last on main')
  await run('checkout', '-q', 'feature/one')
  write('feature.txt', lines(12))
  await run('add', 'feature.txt')
  await run('commit', '-q', '-m', 'more of the feature')
  await run('checkout', '-q', '-f', 'main')
  return path
}
