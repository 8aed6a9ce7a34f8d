// What of a manifest's dependencies counts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dependenciesOf } from './dependencies.ts'

test('names and ranges by kind; optional ones once; what is no dependency is passed over', () => {
  const manifest = {
    dependencies: { a: '^1', '@x/b': '*', opt: '1', __proto__x: 1, 'bad name': '1', nul: '\0', node_modules: '1' },
    optionalDependencies: { opt: '1' },
    peerDependencies: { a: '>=1' },
    devDependencies: { d: '1' },
  }
  assert.deepEqual(
    dependenciesOf(manifest).map(({ name, kind, range }) => `${kind} ${name} ${range}`),
    ['dependencies a ^1', 'dependencies @x/b *', 'peerDependencies a >=1', 'optionalDependencies opt 1'],
  )
  for (const dependencies of [null, [], 'a', 7]) assert.deepEqual(dependenciesOf({ dependencies }), [])
  assert.equal(dependenciesOf({ dependencies: Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`p${n}`, '1'])) }).length, 2000)
  assert.equal(dependenciesOf({ dependencies: { a: 'x'.repeat(5000) } })[0]?.range.length, 256)
})
