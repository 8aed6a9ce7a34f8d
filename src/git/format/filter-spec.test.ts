// Filters of partial clones: what git takes, what it refuses and in which words, and what no client may make us do.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { InputError } from '../../base/index.ts'
import { assertFilterAllowed, type FilterRules, type FilterSpec, mapSparse, parseFilterSpec } from './filter-spec.ts'

test('each filter is parsed', () => {
  const cases: [string, FilterSpec][] = [
    ['blob:none', { kind: 'blob:none' }],
    ['blob:limit=0', { kind: 'blob:limit', sizeBytes: 0 }],
    ['blob:limit=1k', { kind: 'blob:limit', sizeBytes: 1024 }],
    ['blob:limit=2M', { kind: 'blob:limit', sizeBytes: 2 << 20 }],
    ['blob:limit=3g', { kind: 'blob:limit', sizeBytes: 3 * 2 ** 30 }],
    ['blob:limit=0x10', { kind: 'blob:limit', sizeBytes: 16 }],
    ['blob:limit=010', { kind: 'blob:limit', sizeBytes: 8 }],
    ['blob:limit=18446744073709551615', { kind: 'blob:limit', sizeBytes: Number.MAX_SAFE_INTEGER }],
    ['tree:0', { kind: 'tree', depth: 0 }],
    ['tree:12', { kind: 'tree', depth: 12 }],
    ['object:type=tag', { kind: 'object:type', type: 'tag' }],
    ['sparse:oid=main:dir/a=b', { kind: 'sparse:oid', name: 'main:dir/a=b' }],
    ['combine:blob:none', { kind: 'combine', filters: [{ kind: 'blob:none' }] }],
    ['combine:blob:none+tree:1', { kind: 'combine', filters: [{ kind: 'blob:none' }, { kind: 'tree', depth: 1 }] }],
    ['combine:+', { kind: 'combine', filters: [] }],
    ['combine:tree%3A2+blob%3anone', { kind: 'combine', filters: [{ kind: 'tree', depth: 2 }, { kind: 'blob:none' }] }],
    ['combine:sparse:oid=a%2Bb%20c%zz', { kind: 'combine', filters: [{ kind: 'sparse:oid', name: 'a+b c%zz' }] }],
    [
      'combine:combine:tree:3%2Bblob:none+tree:1',
      {
        kind: 'combine',
        filters: [
          { kind: 'combine', filters: [{ kind: 'tree', depth: 3 }, { kind: 'blob:none' }] },
          { kind: 'tree', depth: 1 },
        ],
      },
    ],
  ]
  for (const [text, spec] of cases) assert.deepEqual(parseFilterSpec(text), spec, text)
})

test('what git refuses is refused in its words', () => {
  const cases: [string, string][] = [
    ['', "invalid filter-spec ''"],
    ['blob:nonesuch', "invalid filter-spec 'blob:nonesuch'"],
    ['blob:limit=', "invalid filter-spec 'blob:limit='"],
    ['blob:limit=-1', "invalid filter-spec 'blob:limit=-1'"],
    ['blob:limit=08', "invalid filter-spec 'blob:limit=08'"],
    ['blob:limit=18446744073709551616', "invalid filter-spec 'blob:limit=18446744073709551616'"],
    ['tree:', "expected 'tree:<depth>'"],
    ['tree:x', "expected 'tree:<depth>'"],
    ['sparse:path=dir', 'sparse:path filters support has been dropped'],
    ['object:type=giraffe', "'giraffe' for 'object:type=<type>' is not a valid object type"],
    ['auto', "'auto' filter not supported by this command"],
    ['combine:', 'expected something after combine:'],
    ['combine:tree:2+blob:non', "invalid filter-spec 'blob:non'"],
    ['combine:sparse:oid=a~1', "must escape char in sub-filter-spec: '~'"],
    ['combine:blob:none +tree:1', "must escape char in sub-filter-spec: ' '"],
    ['combine:sparse:oid=ä', "must escape char in sub-filter-spec: 'ä'"],
  ]
  for (const [text, message] of cases) {
    assert.throws(
      () => parseFilterSpec(text),
      (error: unknown) => error instanceof InputError && error.message === message,
      text,
    )
  }
})

test('no spec makes a deep or a large filter', () => {
  const nest = (depth: number) => {
    let text = 'blob:none'
    for (let i = 0; i < depth; i++) text = `combine:${encodeURIComponent(text)}`
    return text
  }
  assert.equal(parseFilterSpec(nest(8)).kind, 'combine')
  assert.throws(() => parseFilterSpec(nest(9)), /more than 8 deep/)
  assert.throws(() => parseFilterSpec(`combine:${'tree:1+'.repeat(64)}`), /more than 64 filters/)
})

test('noise is refused by InputError and nothing else', () => {
  const words = fc.constantFrom('combine:', 'blob:', 'none', 'limit=', 'tree:', '+', '%', '%3a', '9', 'k', 'sparse:oid=', '~', '\0', 'ä')
  fc.assert(
    fc.property(fc.array(words, { maxLength: 12 }), (parts) => {
      try {
        parseFilterSpec(parts.join(''))
      } catch (error) {
        assert.ok(error instanceof InputError, String(error))
      }
    }),
    { numRuns: 2000 },
  )
})

test('rules ban filters by name, by the fallback, and trees by their depth', () => {
  const rules: FilterRules = { fallback: true, allowed: new Map(), treeMaxDepth: 5 }
  const refusal = (text: string, own: Partial<FilterRules>) => {
    try {
      assertFilterAllowed(parseFilterSpec(text), { ...rules, ...own })
      return null
    } catch (error) {
      return (error as InputError).message
    }
  }
  const noBlobs = new Map([['blob:none', false]])
  assert.equal(refusal('blob:none', {}), null)
  assert.equal(refusal('blob:none', { allowed: noBlobs }), "filter 'blob:none' not supported")
  assert.equal(refusal('combine:tree:1+blob:none', { allowed: noBlobs }), "filter 'blob:none' not supported")
  assert.equal(refusal('blob:none', { fallback: false }), "filter 'blob:none' not supported")
  assert.equal(refusal('blob:none', { fallback: false, allowed: new Map([['blob:none', true]]) }), null)
  assert.equal(refusal('combine:tree:1', { fallback: false, allowed: new Map([['tree', true]]) }), "filter 'combine' not supported")
  assert.equal(refusal('tree:5', {}), null)
  assert.equal(refusal('tree:6', {}), 'tree filter allows max depth 5, but got 6')
  assert.equal(refusal('combine:blob:none+tree:6', {}), 'tree filter allows max depth 5, but got 6')
})

test('sparse filters are named anew wherever they stand', () => {
  const filter = parseFilterSpec('combine:blob:none+sparse:oid=main:x')
  assert.deepEqual(
    mapSparse(filter, (name) => `<${name}>`),
    {
      kind: 'combine',
      filters: [{ kind: 'blob:none' }, { kind: 'sparse:oid', name: '<main:x>' }],
    },
  )
})
