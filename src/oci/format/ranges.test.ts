import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../../base/index.ts'
import { nextLink, parsePage } from './pages.ts'
import { formatUploadRange, parseContentRange, parseRange } from './ranges.ts'

const isInput = (code: string) => (error: unknown) => error instanceof InputError && error.code === code

test('Content-Range of a chunk: both ends within', () => {
  assert.equal(parseContentRange(undefined), null)
  assert.deepEqual(parseContentRange('0-0'), { from: 0, to: 1 })
  assert.deepEqual(parseContentRange('1024-2047'), { from: 1024, to: 2048 })
  assert.deepEqual(parseContentRange('bytes 0-9/*'), { from: 0, to: 10 })
  assert.deepEqual(parseContentRange('bytes=0-9'), { from: 0, to: 10 })
  for (const header of ['', '-', '0', '0-', '-5', '5-4', 'a-b', '0-1,3-4', '1e3-2000', `0-${'9'.repeat(16)}`, 'bytes */10'])
    assert.throws(() => parseContentRange(header), isInput('upload-invalid'), header)
})

test('Range of an upload: 0-0 while it is empty', () => {
  assert.equal(formatUploadRange(0), '0-0')
  assert.equal(formatUploadRange(1), '0-0')
  assert.equal(formatUploadRange(1024), '0-1023')
})

test('Range of a pull', () => {
  const of = (header: string | undefined, size = 100) => parseRange(header, size)
  assert.equal(of(undefined), null)
  assert.deepEqual(of('bytes=0-0'), { from: 0, to: 1 })
  assert.deepEqual(of('bytes=10-'), { from: 10, to: 100 })
  assert.deepEqual(of('bytes=-10'), { from: 90, to: 100 })
  assert.deepEqual(of('bytes=-1000'), { from: 0, to: 100 })
  assert.deepEqual(of('bytes=50-1000'), { from: 50, to: 100 })
  for (const passedOver of ['', 'bytes=', 'bytes=-', 'items=0-5', 'bytes=0-1,3-4', 'bytes=a-b']) assert.equal(of(passedOver), null)
  for (const none of ['bytes=100-', 'bytes=100-200', 'bytes=-0', 'bytes=5-4']) assert.throws(() => of(none), isInput('range-invalid'), none)
  assert.throws(() => of('bytes=0-', 0), isInput('range-invalid'))
})

test('Range of a pull, every one of a small blob: as the bytes themselves are cut', () => {
  const bytes = Buffer.from('0123456789')
  for (let first = 0; first < 12; first++) {
    for (let last = first; last < 14; last++) {
      const wanted = bytes.subarray(first, last + 1)
      if (wanted.length === 0) assert.throws(() => parseRange(`bytes=${first}-${last}`, 10), InputError)
      else {
        const range = parseRange(`bytes=${first}-${last}`, 10)
        assert.deepEqual(bytes.subarray(range?.from, range?.to), wanted)
      }
    }
  }
})

test('pages: n at most, 0 is nothing, nonsense is refused; links carry what they need', () => {
  assert.deepEqual(parsePage({}, 100), { limit: 100, last: '' })
  assert.deepEqual(parsePage({ n: '0' }, 100), { limit: 0, last: '' })
  assert.deepEqual(parsePage({ n: '500', last: 'x' }, 100), { limit: 100, last: 'x' })
  for (const n of ['-1', '1.5', 'x', '', ' 1', '1e2', '9'.repeat(16)])
    assert.throws(() => parsePage({ n }, 100), isInput('page-invalid'), n)
  assert.throws(() => parsePage({ n: ['1', '2'] }, 100), isInput('page-invalid'))
  assert.throws(() => parsePage({ last: ['a', 'b'] }, 100), isInput('page-invalid'))
  assert.equal(nextLink('/v2/a/b/tags/list', { n: '2', last: 'a+b' }), '</v2/a/b/tags/list?n=2&last=a%2Bb>; rel="next"')
})
