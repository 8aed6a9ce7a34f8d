import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseExposition } from '../../tests/support/prometheus.ts'
import { Metrics } from './metrics.ts'

test('counters, gauges and histograms in the format that Prometheus reads', async () => {
  const metrics = new Metrics()
  const count = metrics.counter('stemma_things_total', 'Things; a \\ and\na line.', ['kind', 'name'])
  count(['a', 'with "quotes", a \\ and\na line'])
  count(['a', 'with "quotes", a \\ and\na line'], 2.5)
  count(['b', ''])
  metrics.ask('gauge', 'stemma_level', 'A level.', [], () => [[[], -1.5]])
  const note = metrics.histogram('stemma_wait_seconds', 'Waits.', ['what'], [0.1, 1])
  for (const value of [0.05, 0.1, 0.5, 7]) note(['x'], value)
  const found = parseExposition(await metrics.text())
  assert.equal(found.sum('stemma_things_total', { name: 'with "quotes", a \\ and\na line' }), 3.5)
  assert.equal(found.sum('stemma_level'), -1.5)
  assert.deepEqual(
    ['0.1', '1', '+Inf'].map((le) => found.sum('stemma_wait_seconds_bucket', { le })),
    [2, 3, 4],
  )
  assert.equal(found.sum('stemma_wait_seconds_sum'), 7.65)
})

test('a part that does not answer leaves its own family out', async () => {
  const metrics = new Metrics()
  metrics.ask('gauge', 'stemma_down', 'Down.', [], async () => Promise.reject(new Error('down')))
  metrics.ask('gauge', 'stemma_up', 'Up.', [], () => [[[], 1]])
  const found = parseExposition(await metrics.text())
  assert.deepEqual([...found.types.keys()], ['stemma_up'])
})

test('names are checked, and series bounded', async () => {
  const metrics = new Metrics()
  const count = metrics.counter('stemma_a_total', 'A.', ['x'])
  for (const bad of ['stemma_a_total', 'Bad', 'a-b', '']) assert.throws(() => metrics.counter(bad, ''), RangeError)
  for (let n = 0; n < 6000; n++) count([n])
  count([0])
  const found = parseExposition(await metrics.text())
  assert.equal(found.series.length, 5000)
  assert.equal(found.sum('stemma_a_total', { x: '0' }), 2)
})
