// Search in the npm registry: what is found by what, in which order, and by whom.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sql } from '../../src/db/index.ts'
import { NpmFaces, type NpmAsked } from '../support/npm-faces.ts'

let npm: NpmFaces
before(async () => {
  npm = await NpmFaces.open()
  const shared = {
    keywords: ['Blue', 'sky'],
    author: { name: 'Ann', email: 'ann@example.org' },
    repository: { url: 'git+https://example.org/a.git' },
  }
  await npm.publish({ name: 'sail-boat', version: '1.0.0', manifest: { ...shared, description: 'A boat with sails', license: 'MIT' } })
  await npm.publish({
    name: 'boat',
    version: '2.0.0',
    manifest: { description: 'Floats', author: 'Bob <bob@example.org> (https://example.org)' },
  })
  await npm.publish({ name: 'raft', version: '1.0.0', manifest: { description: 'nearly a boat', keywords: 'wood, blue' } })
  await npm.publish({ name: '@olive/boat', version: '0.1.0' })
  await npm.publish({ name: '@sam/boat', version: '0.1.0', owner: 'sam' })
  await npm.publish({ name: 'tugboat', version: '1.0.0', owner: 'sam' })
  await npm.publish({ name: 'hidden-boat', version: '1.0.0', visibility: 'private' })
})
after(async () => await npm?.close())

async function names(query: string, asked: NpmAsked & { readonly owner?: string } = {}): Promise<string[]> {
  const { owner, ...more } = asked
  const { objects } = await npm.json(`${owner === undefined ? '' : `${owner}/`}-/v1/search?${query}`, more)
  return (objects as { package: { name: string } }[]).map((object) => object.package.name)
}

test('in npm’s own shape', async () => {
  const found = await npm.json('-/v1/search?text=sail&size=5&quality=0.65&popularity=0.98&maintenance=0.5')
  assert.deepEqual([found.total, typeof found.time], [1, 'string'])
  const [{ package: one, score, searchScore, downloads }] = found.objects
  const { date, ...rest } = one
  assert.ok(!Number.isNaN(Date.parse(date)))
  assert.deepEqual(rest, {
    name: 'sail-boat',
    scope: 'unscoped',
    version: '1.0.0',
    description: 'A boat with sails',
    keywords: ['Blue', 'sky'],
    links: { npm: `${npm.url}/npm/sail-boat`, repository: 'https://example.org/a.git' },
    author: { name: 'Ann', email: 'ann@example.org' },
    license: 'MIT',
    publisher: { username: 'the operator' },
    maintainers: [{ username: 'olive' }],
  })
  assert.deepEqual(downloads, { weekly: 0, monthly: 0 })
  assert.equal(score.final, searchScore)
})

test('what is called so comes first; then names, keywords, descriptions', async () => {
  assert.deepEqual(await names('text=boat'), ['boat', '@olive/boat', '@sam/boat', 'sail-boat', 'raft'])
  assert.deepEqual(await names('text=sailboat'), ['sail-boat'])
  assert.deepEqual(await names('text=float'), ['boat'])
  assert.deepEqual(await names('text=boat sails'), ['sail-boat'])
  assert.deepEqual(await names(`text=${encodeURIComponent("'; drop:* & | ! <-> table")}`), [])
})

test('by keyword, author, scope and maintainer', async () => {
  assert.deepEqual(await names('text=keywords:blue'), ['raft', 'sail-boat'])
  assert.deepEqual(await names('text=keywords:blue,sky'), ['sail-boat'])
  assert.deepEqual(await names('text=boat keywords:blue'), ['sail-boat', 'raft'])
  assert.deepEqual(await names('text=author:ann'), ['sail-boat'])
  assert.deepEqual(await names('text=author:bob@example.org'), ['boat'])
  assert.deepEqual(await names('text=scope:sam'), ['@sam/boat'])
  assert.deepEqual(await names('text=boat maintainer:sam'), ['@sam/boat'])
})

test('a registry’s own packages alone; of the root’s what can be installed from there', async () => {
  assert.deepEqual(await names('text=boat', { owner: 'sam' }), ['@sam/boat'])
  assert.deepEqual(await names('text=', { owner: 'sam' }), ['@sam/boat', 'tugboat'])
  assert.deepEqual(await names('text=tugboat'), [])
  assert.deepEqual(await names('text=', { owner: 'nobody' }), [])
  const [one] = (await npm.json('sam/-/v1/search?text=tugboat')).objects
  assert.equal(one.package.links.npm, `${npm.url}/npm/sam/tugboat`)
})

test('what the caller may not read is neither shown nor counted', async () => {
  for (const [as, isThere] of [
    [undefined, false],
    [npm.sam, false],
    [npm.olive, true],
  ] as const) {
    const { objects, total } = await npm.json('-/v1/search?text=hidden', { as })
    assert.deepEqual([objects.length, total], isThere ? [1, 1] : [0, 0])
  }
})

test('what was just published, and what was just deleted', async () => {
  const one = await npm.publish({ name: 'kayak', version: '1.0.0', manifest: { description: 'small' } })
  assert.deepEqual(await names('text=small'), ['kayak'])
  await npm.publish({ name: 'kayak', version: '1.1.0', manifest: { description: 'tiny' } })
  assert.deepEqual([await names('text=small'), await names('text=tiny')], [[], ['kayak']])
  await sql`delete from package where id = ${one.id}`.execute(npm.faces.db.queries)
  assert.deepEqual(await names('text=kayak'), [])
})

test('pages, and numbers that are none', async () => {
  const all = await names('text=')
  assert.deepEqual([...(await names('text=&size=2')), ...(await names('text=&size=100&from=2'))], all)
  for (const query of ['size=x', 'size=-1', 'from=1e3', 'size=99999999999', 'text=a&text=b']) assert.ok(await names(query))
})

test('manifests of any shape are searched, and shown in npm’s', async () => {
  const odd = {
    description: ['x'],
    keywords: [1, 'odd\0', {}],
    author: 7,
    license: { type: 'MIT' },
    homepage: 'javascript:alert(1)',
    repository: null,
    bugs: 'x',
  }
  await npm.publish({ name: 'odd', version: '1.0.0', manifest: odd })
  const { package: one } = (await npm.json('-/v1/search?text=odd')).objects[0]
  const { date: _, ...rest } = one
  const people = { publisher: { username: 'the operator' }, maintainers: [{ username: 'olive' }] }
  assert.deepEqual(rest, {
    name: 'odd',
    scope: 'unscoped',
    version: '1.0.0',
    keywords: ['odd'],
    links: { npm: `${npm.url}/npm/odd` },
    ...people,
  })
})
