// What a pusher sees while a push goes on: by side-band, and nothing but the report without one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from '../../base/index.ts'
import { Band, decodeBand, decodePkt, encodePkt, flushPkt } from '../format/pkt-line.ts'
import { Reporter } from './report.ts'

/** A reporter for those capabilities, and what it has sent. */
function start(...names: readonly string[]) {
  const parts: Uint8Array[] = []
  const sink = {
    write: (bytes: Uint8Array) => {
      parts.push(bytes.slice())
      return undefined
    },
    end: (bytes?: Uint8Array) => parts.push(...(bytes ? [bytes] : []), Buffer.from('|')),
  }
  const reporter = new Reporter(sink, Reporter.frames(names.map((name) => ({ name, value: null }))))
  return { reporter, sent: () => Buffer.from(concatBytes(parts)) }
}

/** Texts of the frames, each behind the number of its band. */
function framesOf(bytes: Uint8Array): string[] {
  const frames: string[] = []
  for (let at = 0; ; ) {
    const decoded = decodePkt(bytes, at)
    if (decoded === null || decoded.pkt.type !== 'data') return frames
    const { band, data } = decodeBand(decoded.pkt.data)
    frames.push(`${band}${Buffer.from(data).toString()}`)
    at = decoded.end
  }
}

test('progress is told at most four times a second, line over line, and closed before anything else is said', () => {
  const { reporter, sent } = start('side-band-64k')
  reporter.progress('receiving', 1, 4, 1000)
  reporter.progress('receiving', 2, 4, 1100)
  reporter.progress('receiving', 3, 4, 1300)
  reporter.progress('receiving', 4, 4, 1301)
  reporter.progress('receiving', 4, 4, 2000)
  reporter.progress('resolving', 1, 2, 2001)
  reporter.endProgress()
  reporter.message('warning: x\n')
  assert.deepEqual(framesOf(sent()), [
    '2Unpacking objects:  25% (1/4)\r',
    '2Unpacking objects:  75% (3/4)\r',
    '2Unpacking objects: 100% (4/4), done.\n',
    '2Resolving deltas:  50% (1/2)\r',
    '2\n',
    '2warning: x\n',
  ])
})

test('a client that wants quiet has no progress; what is said to it, it is told', async () => {
  const { reporter, sent } = start('side-band-64k', 'quiet')
  reporter.progress('receiving', 1, 1, 0)
  reporter.message('warning: x\n')
  await reporter.report(encodePkt('unpack ok\n'))
  assert.deepEqual(framesOf(sent()), ['2warning: x\n', '1000eunpack ok\n'])
})

test('frames are as long as the client reads, and the last thing is a flush', async () => {
  const report = new Uint8Array(2500).fill(0x61)
  for (const [name, longest] of [
    ['side-band', 1000],
    ['side-band-64k', 65_520],
  ] as const) {
    const { reporter, sent } = start(name)
    await reporter.report(report)
    reporter.end()
    const frames = framesOf(sent())
    assert.equal(frames.map((frame) => frame.slice(1)).join('').length, report.length, name)
    assert.ok(frames.every((frame) => frame.startsWith(String(Band.data)) && frame.length + 4 <= longest))
    assert.equal(frames.length, Math.ceil(report.length / (longest - 5)))
    assert.ok(sent().toString().endsWith('0000|'))
  }
})

test('without a side-band there is the report alone, and none for who wants none', async () => {
  const { reporter, sent } = start('report-status')
  reporter.progress('receiving', 1, 1, 0)
  reporter.message('warning: x\n')
  reporter.keepAlive()
  await reporter.report(concatBytes([encodePkt('unpack ok\n'), flushPkt]))
  reporter.end()
  assert.equal(sent().toString(), '000eunpack ok\n0000|')
  const silent = start()
  await silent.reporter.report(null)
  silent.reporter.end()
  assert.equal(silent.sent().toString(), '|')
})

test('a keep-alive is an empty frame of progress', () => {
  const { reporter, sent } = start('side-band-64k')
  reporter.keepAlive()
  assert.equal(sent().toString('latin1'), '0005\x02')
})
