// Every command has its help, which speaks of each flag that the command takes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
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
