// Every command has its help, which speaks of each flag that the command takes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { homeScopes, scopes } from '../access/index.ts'
import { helpText } from './help.ts'
import { packageCommands } from './package-commands.ts'
import { peopleCommands } from './people-commands.ts'
import { serverCommands } from './server-commands.ts'

test('every command has a help text with its flags, and stands in the overview', () => {
  const overview = helpText(null)
  for (const [name, { flags }] of Object.entries({ ...serverCommands, ...peopleCommands, ...packageCommands })) {
    const text = helpText(name)
    assert.match(text, new RegExp(`^Usage: stemma ${name} `), name)
    const silent = flags.filter((flag) => !text.includes(`--${flag}`))
    assert.deepEqual(silent, [], `flags that the help of ${name} leaves out`)
    assert.ok(overview.includes(`  ${name} `) || overview.includes(`  ${name.split(' ', 1)[0]} `), `${name} in the overview`)
  }
})

test('the help of token create names every scope, and those of a repository’s own token', () => {
  const text = helpText('token create')
  const listed = text.slice(text.indexOf('  --scope SCOPE '), text.indexOf('  --owner ACCOUNT '))
  assert.deepEqual(listed.match(/[a-z]+:[a-z]+/g), [...scopes])
  const own = text.slice(text.indexOf('In the second form'), text.indexOf('  --account NAME'))
  assert.deepEqual(own.match(/[a-z]+:[a-z]+/g), [...homeScopes])
})

test('the help of a family within a family is its own', () => {
  assert.deepEqual(helpText(null, ['package', 'retention', 'sett']).match(/(?<=Usage: stemma )package \S+ \S+/g), [
    'package retention show',
    'package retention set',
    'package retention try',
    'package retention clear',
  ])
  assert.match(helpText(null, ['package', 'x']), /^Usage: stemma package list/)
  assert.equal(helpText(null, ['x']), helpText(null))
})
