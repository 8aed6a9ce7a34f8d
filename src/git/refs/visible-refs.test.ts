// Hidden refs and namespaces: which names a client sees, by git's rules.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObjectId } from '../format/object-id.ts'
import type { RefSnapshot } from './ref-snapshot.ts'
import { everything, headRef, isHidden, namespacePrefix, RefViews, visibleRefs } from './visible-refs.ts'

function snapshotOf(names: readonly string[], head = 'refs/heads/main'): RefSnapshot {
  const refs = names.toSorted().map((name, n) => ({ name, oid: String(n).padStart(40, '0') as ObjectId }))
  return { version: 1, head, refs, byName: new Map(refs.map((ref) => [ref.name, ref])) }
}

const namesOf = (view: { refs: readonly { name: string }[] }) => view.refs.map(({ name }) => name)

test('a pattern hides a ref and what lies below it, not what only begins with the same letters', () => {
  const hides = (pattern: string, name: string) => isHidden(name, name, [pattern])
  assert.equal(hides('refs/pull', 'refs/pull'), true)
  assert.equal(hides('refs/pull', 'refs/pull/1/head'), true)
  assert.equal(hides('refs/pull/', 'refs/pull/1/head'), true)
  assert.equal(hides('refs/pull', 'refs/pulled/1'), false)
  assert.equal(hides('refs/pull/1/head', 'refs/pull'), false)
})

test('the last pattern that matches wins, and ! shows again', () => {
  const patterns = ['refs/pull', '!refs/pull/1', 'refs/pull/1/merge']
  const hidden = (name: string) => isHidden(name, name, patterns)
  assert.deepEqual(['refs/pull/2/head', 'refs/pull/1/head', 'refs/pull/1/merge', 'refs/heads/main'].map(hidden), [true, false, true, false])
})

test('^ compares with the full name, which a name outside of the namespace has alone', () => {
  const full = 'refs/namespaces/a/refs/heads/x'
  assert.equal(isHidden('refs/heads/x', full, ['^refs/namespaces/a/refs/heads/x']), true)
  assert.equal(isHidden('refs/heads/x', full, ['^refs/heads/x']), false)
  assert.equal(isHidden('refs/heads/x', full, ['refs/heads', '!^refs/namespaces/a']), false)
  assert.equal(isHidden(null, full, ['refs/heads/x']), false)
  assert.equal(isHidden(null, full, ['^refs/namespaces']), true)
})

test('HEAD stays when what it points to is hidden, and goes by its own name', () => {
  const snapshot = snapshotOf(['refs/heads/main', 'refs/heads/side'])
  const view = visibleRefs(snapshot, { ...everything, hidden: ['refs/heads/main'] })
  assert.deepEqual(namesOf(view), ['refs/heads/side'])
  assert.equal(headRef(view), snapshot.byName.get('refs/heads/main'))
  assert.equal(view.byName.has('refs/heads/main'), false)
  assert.deepEqual(
    view.hidden?.map(({ name }) => name),
    ['refs/heads/main'],
  )
  const headless = visibleRefs(snapshot, { ...everything, hidden: ['HEAD'] })
  assert.deepEqual([headRef(headless), headless.head], [null, ''])
  assert.equal(headRef(snapshotOf(['refs/heads/side'])), null)
})

test('a namespace shows its own refs under their short names', () => {
  assert.equal(namespacePrefix('a/b'), 'refs/namespaces/a/refs/namespaces/b/')
  assert.equal(namespacePrefix('a//b/'), 'refs/namespaces/a/refs/namespaces/b/')
  const snapshot = snapshotOf([
    'refs/heads/main',
    'refs/namespaces/a/HEAD',
    'refs/namespaces/a/refs/heads/main',
    'refs/namespaces/a/refs/heads/x',
    'refs/namespaces/ab/refs/heads/y',
  ])
  const view = visibleRefs(snapshot, { ...everything, namespace: 'a' })
  assert.deepEqual(namesOf(view), ['refs/heads/main', 'refs/heads/x'])
  assert.equal(headRef(view)?.oid, snapshot.byName.get('refs/namespaces/a/refs/heads/main')?.oid)
  const other = visibleRefs(snapshot, { ...everything, namespace: 'a', namespaceHead: 'refs/heads/x' })
  assert.equal(other.head, 'refs/heads/x')
  assert.equal(headRef(other)?.oid, snapshot.byName.get('refs/namespaces/a/refs/heads/x')?.oid)
  assert.deepEqual(namesOf(visibleRefs(snapshot, everything)), namesOf(snapshot))
})

test('one scope of one snapshot is one view', () => {
  const views = new RefViews()
  const snapshot = snapshotOf(['refs/heads/main', 'refs/x'])
  const scope = { ...everything, hidden: ['refs/x'] }
  assert.equal(views.of(snapshot, scope), views.of(snapshot, { ...scope, hidden: ['refs/x'] }))
  assert.notEqual(views.of(snapshot, scope), views.of(snapshot, { ...scope, hidden: ['refs/y'] }))
  assert.equal(views.of(snapshot, everything), snapshot)
  const made = views.once(snapshot, () => Uint8Array.of(1))
  assert.equal(
    views.once(snapshot, () => assert.fail('made twice')),
    made,
  )
  for (let n = 0; n < 20; n++) views.of(snapshot, { ...scope, hidden: [`refs/${n}`] })
  assert.deepEqual(namesOf(views.of(snapshot, scope)), ['refs/heads/main'])
})
