// The order and the time limits of the server's end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Log } from './base/index.ts'
import { Endings } from './endings.ts'

test('parts end latest first; one that hangs is logged and passed over, one that fails too', async () => {
  const lines: string[] = []
  const note = (level: string) => (facts: { part: string }, words: string) => void lines.push(`${level} ${facts.part}: ${words}`)
  const endings = new Endings({ debug: note('debug'), error: note('error') } as unknown as Log)
  const ended: string[] = []
  const part = (name: string) => async () => void ended.push(name)
  endings.add('first', part('first'))
  endings.add('hanging', () => new Promise(() => {}), 50)
  endings.add('failing', () => Promise.reject(new Error('wanted')))
  endings.add('throwing', () => {
    throw new Error('wanted')
  })
  endings.add('last', part('last'))
  const begun = performance.now()
  await endings.run()
  assert.ok(performance.now() - begun < 2000)
  assert.deepEqual(ended, ['last', 'first'])
  assert.deepEqual(lines, [
    'debug last: a part ended',
    'error throwing: a part did not end in order',
    'error failing: a part did not end in order',
    'error hanging: a part did not end in time',
    'debug first: a part ended',
  ])
  await endings.run()
  assert.equal(ended.length, 2, 'each ends once')
})
