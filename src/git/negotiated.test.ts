// What negotiations came to: shared between equal fetches under equal packs, and by nobody else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UnavailableError } from '../base/index.ts'
import type { ObjectId } from './format/index.ts'
import { Negotiated, type Preamble } from './negotiated.ts'
import type { PackSetHandle } from './odb/index.ts'
import { type FetchTask, fetchTask, plainOffer } from './upload-pack/index.ts'
import { emptyRequest } from './upload-pack/request.ts'

const [one, two] = ['1', '2'].map((digit) => digit.repeat(40) as ObjectId) as [ObjectId, ObjectId]
const refs = [one, two].map((oid, n) => ({ name: `refs/heads/${n}`, oid }))
const visible = { head: 'refs/heads/0', refs, byName: new Map(refs.map((ref) => [ref.name, ref])) }

function packs(): PackSetHandle {
  return { networkId: 'n', format: 'sha1', lineage: 1, packs: [] }
}

function taskOf(change: Partial<ReturnType<typeof emptyRequest>> = {}): FetchTask {
  return fetchTask({ ...emptyRequest(2), wants: [one], negotiation: ['done'], ...change }, visible, plainOffer('sha1'))
}

const preamble: Preamble = { type: 'preamble', bytes: Buffer.from('0000'), pack: true, key: 'k' }

/** Asks, and tells whether it was negotiated. */
async function isAsked(negotiated: Negotiated, handle: PackSetHandle, task: FetchTask, answer = preamble): Promise<boolean> {
  let asked = false
  const found = await negotiated.get(handle, task, async () => {
    asked = true
    return answer
  })
  assert.deepEqual(found, answer)
  return asked
}

test('the same fetch of the same packs is negotiated once; any difference is another fetch', async () => {
  const negotiated = new Negotiated()
  const handle = packs()
  assert.ok(await isAsked(negotiated, handle, taskOf()))
  assert.ok(!(await isAsked(negotiated, handle, taskOf())))
  for (const other of [
    taskOf({ wants: [two] }),
    taskOf({ depth: 1 }),
    taskOf({ deepenSince: 7 }),
    taskOf({ filter: { kind: 'blob:none' } }),
    taskOf({ thinPack: true }),
    taskOf({ sidebandAll: true }),
    taskOf({ wantRefs: ['refs/heads/1'] }),
    { ...taskOf(), cutOff: [two] },
    { ...taskOf(), tags: Buffer.alloc(40, 1) },
  ]) {
    assert.ok(await isAsked(negotiated, handle, other))
    assert.ok(!(await isAsked(negotiated, handle, other)))
  }
  assert.ok(await isAsked(negotiated, packs(), taskOf()))
})

test('who names an object that is no tip, or says that it has one, is asked about each time', async () => {
  const negotiated = new Negotiated()
  const handle = packs()
  const foreign = 'f'.repeat(40) as ObjectId
  for (const task of [taskOf({ wants: [foreign] }), taskOf({ negotiation: [two, 'done'] }), taskOf({ shallows: [two] })]) {
    assert.ok(await isAsked(negotiated, handle, task))
    assert.ok(await isAsked(negotiated, handle, task))
  }
})

test('a failure is its own request’s alone, and a pack without a name is nothing to keep', async () => {
  const negotiated = new Negotiated()
  const handle = packs()
  const failing = Promise.withResolvers<Preamble>()
  const first = negotiated.get(handle, taskOf(), () => failing.promise)
  const second = isAsked(negotiated, handle, taskOf())
  failing.reject(new UnavailableError('client-gone', 'gone'))
  await assert.rejects(first, UnavailableError)
  assert.ok(await second)
  const nameless = { ...preamble, key: null }
  assert.ok(await isAsked(negotiated, handle, taskOf({ depth: 3 }), nameless))
  assert.ok(await isAsked(negotiated, handle, taskOf({ depth: 3 }), nameless))
})

test('a fetch waits for an equal one that is being negotiated', async () => {
  const negotiated = new Negotiated()
  const handle = packs()
  const open = Promise.withResolvers<Preamble>()
  const first = negotiated.get(handle, taskOf(), () => open.promise)
  const others = [1, 2, 3].map(() => isAsked(negotiated, handle, taskOf()))
  open.resolve(preamble)
  assert.deepEqual(await first, preamble)
  assert.deepEqual(await Promise.all(others), [false, false, false])
})
