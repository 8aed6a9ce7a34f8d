// Completion in a real bash: what it offers at some place of a command line, by the functions that the script defines.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { scopes } from '../access/index.ts'
import { completionScript } from './completion.ts'
import { packageCommands } from './package-commands.ts'
import { peopleCommands } from './people-commands.ts'
import { serverCommands } from './server-commands.ts'
import { flagChoices } from './usage.ts'

const commands = { ...serverCommands, ...peopleCommands, ...packageCommands }
const script = completionScript('bash', commands)

/** What bash offers for the last word. @param words as bash takes a line apart */
function offered(...words: string[]): string[] {
  const line = ['stemma', ...words].map((word) => `'${word}'`).join(' ')
  const run = `${script}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length}; _stemma; printf '%s\\n' "\${COMPREPLY[@]}"`
  const done = spawnSync('bash', ['-c', run], { encoding: 'utf8', cwd: import.meta.dirname })
  assert.equal(done.stderr, '')
  return done.stdout.split('\n').filter((word) => word !== '')
}

test('words of commands, one after the other', () => {
  const first = offered('')
  assert.ok(['serve', 'user', 'token', 'audit', 'help'].every((word) => first.includes(word)))
  assert.equal(new Set(first).size, first.length)
  assert.deepEqual(offered('us'), ['user'])
  assert.deepEqual(offered('token', ''), ['create', 'list', 'revoke'])
  assert.deepEqual(offered('token', 'r'), ['revoke'])
  assert.deepEqual(offered('user', 'su'), ['suspend'])
  assert.deepEqual(offered('package', 'retention', ''), ['show', 'set', 'try', 'clear'])
  assert.deepEqual(offered('package', 'retention', 'set', '--ru'), ['--rule'])
  assert.deepEqual(offered('package', 'retention', 'set', 'olive', '--referrers', ''), ['go', 'stay'])
  assert.deepEqual(offered('--data', 'folder', 'org', 'm'), ['members'])
})

test('flags of the command, and of no other', () => {
  assert.deepEqual(offered('token', 'create', '--sc'), ['--scope'])
  assert.deepEqual(offered('user', 'list', '--'), ['--json', '--data', '--config', '--help'])
  assert.deepEqual(offered('user', 'suspend', 'alice', '--j'), ['--json'])
  assert.deepEqual(offered('serve', '--role', ''), ['read', 'write', 'admin'])
})

test('values: few words, the parts of a scope behind its colon, files, or nothing', () => {
  assert.deepEqual(offered('org', 'add', 'guild', 'sam', '--role', 'w'), ['write'])
  assert.deepEqual(offered('token', 'create', '--scope', 'repository', ':', 'w'), ['write'])
  assert.deepEqual(offered('token', 'create', '--scope', 'repository', ':'), ['read', 'write', 'admin'])
  assert.deepEqual(offered('token', 'create', '--scope', 'acc'), ['account:admin'])
  assert.deepEqual(offered('serve', '--config', 'completion.te'), ['completion.test.ts'])
  assert.deepEqual(offered('token', 'create', '--name', ''), [])
})

const folder = mkdtempSync(join(tmpdir(), 'stemma-completion-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const without = (shell: string) => (spawnSync(shell, ['--version']).status === 0 ? false : `${shell} is not installed here`)

test('zsh, by its own understanding of bash’s completion', { skip: without('zsh') }, () => {
  const run = `${completionScript('zsh', commands)}
compdef() { : }; emulate sh; COMP_WORDS=(stemma token cr); COMP_CWORD=2; _stemma; print -l $COMPREPLY`
  const done = spawnSync('zsh', ['-f', '-c', run], { encoding: 'utf8' })
  assert.deepEqual([done.stdout.trim(), done.status], ['create', 0], done.stderr)
})

test('fish', { skip: without('fish') }, () => {
  const path = join(folder, 'stemma.fish')
  writeFileSync(path, completionScript('fish', commands))
  const ask = (line: string) => {
    const done = spawnSync('fish', ['--no-config', '-c', `source ${path}; complete -C '${line}'`], { encoding: 'utf8', cwd: folder })
    assert.equal(done.stderr, '')
    return done.stdout.split('\n').filter((word) => word !== '')
  }
  assert.deepEqual(ask('stemma token '), ['create', 'list', 'revoke'])
  assert.deepEqual(ask('stemma org add guild sam --role '), ['admin', 'read', 'write'])
  assert.deepEqual(ask('stemma token create --sc'), ['--scope'])
})

test('another shell is told which ones there are', () => {
  assert.throws(() => completionScript('tcsh', commands), /bash, zsh and fish/)
})

// The list stands there twice, so that --help needn't load the access room.
test('the scopes that are offered are those that there are', () => assert.deepEqual(flagChoices.scope, [...scopes]))
