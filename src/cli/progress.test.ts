// How far a command is: a bar where there is a terminal, a line now and then where there is none.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBytes, Progress } from './progress.ts'

function screenOf(isTTY: boolean) {
  let now = 0
  const written: string[] = []
  const screen = { isTTY, columns: 60, write: (text: string) => written.push(text) }
  const progress = new Progress(screen, { now: () => now, monotonic: () => now })
  return { progress, written, pass: (ms: number) => (now += ms) }
}

test('a terminal gets one line, drawn again at most ten times a second, no wider than it is', () => {
  const { progress, written, pass } = screenOf(true)
  progress.show('admin/a', 'receiving', 0, 1000)
  progress.show('admin/a', 'receiving', 1, 1000)
  assert.equal(written.length, 1)
  pass(150)
  progress.show('admin/a', 'receiving', 500, 1000)
  assert.equal(written[1], '\r\u001b[Kadmin/a [##########..........]  50% receiving 500/1,000')
  progress.show(`admin/${'long'.repeat(30)}`, 'resolving', 1, 0)
  assert.ok((written[2] ?? '').length <= 60 + 4)
  progress.clear()
  progress.clear()
  assert.deepEqual(written.slice(3), ['\r\u001b[K'])
})

test('elsewhere a phase gets a line, another one every ten seconds, and one for its end', () => {
  const { progress, written, pass } = screenOf(false)
  progress.show('admin/a', 'receiving', 1, 10)
  pass(500)
  progress.show('admin/a', 'receiving', 2, 10)
  progress.show('admin/a', 'resolving', 3, 10)
  pass(10_000)
  progress.show('admin/a', 'resolving', 7, 0)
  progress.show('admin/a', 'resolving', 8, 0)
  progress.show('admin/a', 'resolving', 9, 0)
  progress.clear()
  progress.clear()
  const receiving = ['admin/a: receiving 1/10\n', 'admin/a: receiving 2/10\n']
  assert.deepEqual(written, [...receiving, 'admin/a: resolving 3/10\n', 'admin/a: resolving 7\n', 'admin/a: resolving 9\n'])
})

test('sizes for people', () => {
  assert.deepEqual([0, 999, 143_024_776, 2e12].map(formatBytes), ['0 bytes', '999 bytes', '143.0 MB', '2.0 TB'])
})
