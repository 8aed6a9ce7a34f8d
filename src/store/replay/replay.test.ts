// The engines as one: what is identified, what is refused, and bytes of recipes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import { compileKernel } from '../../../kernels/index.ts'
import { concatBytes, CorruptError } from '../../base/index.ts'
import { mixedBytes } from './golden.ts'
import { decodeReplayRecipe, encodeReplayRecipe, mostUsed, Replay, replayEngines, type ReplayRecipe, sharedVectors } from './index.ts'

const kernel = compileKernel()
const replay = new Replay(replayEngines(kernel), sharedVectors())

function made(recipe: ReplayRecipe, plain: Uint8Array): Uint8Array {
  const encoder = replay.encoder(recipe)
  return concatBytes([...encoder.push(plain), ...encoder.end()])
}

test('replay: what zlib made is identified by a prefix, and made again', () => {
  const plain = mixedBytes(5, 1_500_000)
  for (const options of [{ level: 6 }, { level: 9 }, { level: 1 }, { level: 4, memLevel: 9 }]) {
    const deflated = deflateRawSync(plain, options)
    const [recipe] = replay.identify({ plain: plain.subarray(0, 400_000), isWhole: false, deflated, clue: null })
    assert.ok(recipe)
    assert.deepEqual(decodeReplayRecipe(encodeReplayRecipe(recipe)), recipe)
    assert.deepEqual(Buffer.from(made(recipe, plain)), deflated, replay.describe(recipe))
  }
})

test('replay: a short stream is identified whole, an empty one too', () => {
  for (const plain of [mixedBytes(6, 1000), new Uint8Array(0)]) {
    // With memLevel 9 a short stream is the same: the first recipe that makes it is as good as any.
    const deflated = deflateRawSync(plain, { level: 9 })
    const [recipe] = replay.identify({ plain, isWhole: true, deflated, clue: { xfl: 2, os: 3 } })
    assert.ok(recipe)
    assert.deepEqual(Buffer.from(made(recipe, plain)), deflated)
  }
})

test('replay: what no engine made is not identified', () => {
  const plain = mixedBytes(7, 200_000)
  const deflated = deflateRawSync(plain, { level: 6 })
  deflated[deflated.length >> 1]! ^= 1
  assert.deepEqual(replay.identify({ plain, isWhole: true, deflated, clue: null }), [])
})

test('replay: engines, versions and parameters that there are not are refused, and bytes that are no recipe', () => {
  const isRefused = (code: string) => (error: unknown) => error instanceof CorruptError && error.code === code
  for (const recipe of [
    { engine: 250, version: 1, params: Uint8Array.of(6, 8) },
    { engine: 1, version: 9, params: Uint8Array.of(6, 8) },
    { engine: 1, version: 1, params: Uint8Array.of(6, 7) },
    { engine: 1, version: 1, params: new Uint8Array(0) },
  ])
    assert.throws(() => replay.encoder(recipe), isRefused('replay-engine'))
  assert.throws(() => decodeReplayRecipe(Uint8Array.of(1)), isRefused('replay-recipe'))
  assert.throws(() => decodeReplayRecipe(new Uint8Array(19)), isRefused('replay-recipe'))
})

/** The engines, whose golden vectors all fail. */
const brokenEngines = () =>
  replayEngines(kernel).map((engine) => ({ ...engine, golden: engine.golden.map((golden) => ({ ...golden, digest: '0'.repeat(16) })) }))

test('replay: what has held in one thread isn’t checked again in another; what has failed is, by each', () => {
  const recipe = { engine: 1, version: 1, params: Uint8Array.of(6, 8) }
  const shared = sharedVectors()
  const broken = () => new Replay(brokenEngines(), shared)
  assert.equal(broken().check(recipe), false)
  assert.throws(() => broken().encoder(recipe), CorruptError)
  const first = new Replay(replayEngines(kernel), shared)
  assert.deepEqual([first.check(recipe), first.check(recipe)], [true, false])
  assert.ok(broken().encoder(recipe))
  assert.throws(() => broken().encoder({ ...recipe, params: Uint8Array.of(7, 8) }), CorruptError, 'the next one')
  assert.throws(() => broken().encoder({ ...recipe, version: 2 }), CorruptError)
  assert.throws(() => new Replay(replayEngines(kernel).slice(1), shared), RangeError)
})

test('replay: those that are used most are those that they are meant to be, and hold', () => {
  assert.deepEqual(
    mostUsed.map((recipe) => replay.describe(recipe)),
    [
      'go-flate level 6',
      'pgzip level 5, revision 4',
      'pgzip level 5, revision 1',
      'node-zlib level 9, memLevel 8',
      'node-zlib level 6, memLevel 8',
      'zlib level 6',
      'difference to level 6, hash 0',
      'difference to level 9, hash 0',
    ],
  )
  const own = new Replay(replayEngines(kernel), sharedVectors())
  for (const recipe of mostUsed) assert.ok(own.check(recipe), own.describe(recipe))
})

test('replay: an engine whose golden vector fails makes nothing', () => {
  const plain = mixedBytes(8, 50_000)
  const one = new Replay(brokenEngines(), sharedVectors())
  assert.deepEqual(one.identify({ plain, isWhole: true, deflated: deflateRawSync(plain), clue: null }), [])
  assert.throws(() => one.encoder({ engine: 1, version: 1, params: Uint8Array.of(6, 8) }), CorruptError)
})

test('replay: every set of parameters that is tried has a golden vector that holds here', () => {
  for (const engine of replayEngines(kernel)) {
    const known = new Set(engine.golden.map(({ params }) => params.join()))
    for (const params of engine.candidates(null)) assert.ok(known.has(params.join()), `${engine.name} ${params.join()}`)
    const nothing = engine.name === 'difference' ? deflateRawSync(new Uint8Array(0)) : undefined
    for (const { params } of engine.golden)
      replay.encoder({ engine: engine.id, version: engine.version, params: Uint8Array.from(params) }, nothing)
  }
})
