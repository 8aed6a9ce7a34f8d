import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { activityFields, currentActivity, runIn } from './activity.ts'
import { systemClock, systemRandomness } from './clock.ts'
import { traceRequest } from './otlp.ts'
import { childSpan, type EndedSpan, inSpan, parseTraceparent, Tracer } from './tracing.ts'

function tracing() {
  const spans: EndedSpan[] = []
  return { spans, tracer: new Tracer({ sink: (span) => spans.push(span), clock: systemClock, randomness: systemRandomness }) }
}

test('children stand below what is under way, across awaits', async () => {
  const { spans, tracer } = tracing()
  await tracer.run('outer', 'server', async () => {
    await inSpan('middle', async () => {
      await new Promise((done) => setTimeout(done, 1))
      childSpan('leaf', 'client')?.end()
    })
  })
  const [leaf, middle, outer] = spans as [EndedSpan, EndedSpan, EndedSpan]
  assert.deepEqual([leaf.name, middle.name, outer.name], ['leaf', 'middle', 'outer'])
  assert.deepEqual([leaf.parentId, middle.parentId, outer.parentId], [middle.spanId, outer.spanId, null])
  assert.equal(new Set(spans.map((span) => span.traceId)).size, 1)
  assert.ok(outer.startMs <= leaf.startMs && leaf.endMs <= outer.endMs)
})

test('nothing is made where nothing is traced', async () => {
  assert.equal(childSpan('x'), undefined)
  assert.equal(await inSpan('x', async () => currentActivity()), undefined)
})

test('what is thrown ends the span, and is thrown on', async () => {
  const { spans, tracer } = tracing()
  await assert.rejects(
    tracer.run('bad', 'internal', async () => Promise.reject(new Error('no'))),
    /^Error: no$/,
  )
  assert.equal(spans[0]?.error, 'no')
})

test('traceparent: the form alone is believed', () => {
  const good = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  assert.deepEqual(parseTraceparent(good), { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) })
  assert.ok(parseTraceparent(`01-${'a'.repeat(32)}-${'b'.repeat(16)}-00-later`))
  const bad = ['', 'x', good.toUpperCase(), `${good}-more`, `ff${good.slice(2)}`, good.replace(/a{32}/, '0'.repeat(32)), `${good}\n`]
  for (const text of [...bad, good.replace(/b{16}/, '0'.repeat(16)), undefined, [good]])
    assert.equal(parseTraceparent(text), null, String(text))
})

test('a span as OTLP has it', () => {
  const span: EndedSpan = {
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    parentId: null,
    name: 'GET /x',
    kind: 'server',
    startMs: 1_700_000_000_000.5,
    endMs: 1_700_000_000_001,
    attributes: { text: 'x', whole: 3, part: 0.5, yes: true },
    error: 'no',
  }
  const [resource] = traceRequest([span], { 'service.name': 'stemma' }).resourceSpans
  assert.deepEqual(resource?.resource.attributes, [{ key: 'service.name', value: { stringValue: 'stemma' } }])
  assert.deepEqual(resource?.scopeSpans[0]?.spans, [
    {
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      name: 'GET /x',
      kind: 2,
      startTimeUnixNano: '1700000000000500000',
      endTimeUnixNano: '1700000000001000000',
      attributes: [
        { key: 'text', value: { stringValue: 'x' } },
        { key: 'whole', value: { intValue: '3' } },
        { key: 'part', value: { doubleValue: 0.5 } },
        { key: 'yes', value: { boolValue: true } },
      ],
      status: { code: 2, message: 'no' },
    },
  ])
})

test('log lines say in whose name they are written', () => {
  const lines: Record<string, unknown>[] = []
  const log = pino({ mixin: activityFields }, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) })
  log.info('outside')
  runIn({ requestId: 'r', traceId: 't' }, () => log.info({ repository: 1 }, 'inside'))
  assert.deepEqual(
    lines.map(({ msg, reqId, traceId }) => ({ msg, reqId, traceId })),
    [
      { msg: 'outside', reqId: undefined, traceId: undefined },
      { msg: 'inside', reqId: 'r', traceId: 't' },
    ],
  )
})
