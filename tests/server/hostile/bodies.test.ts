// Hostile bodies to every route that takes JSON, generated from the listener's own table and its schemas: bounded work, GitHub's kind of 4xx, no fault of ours.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { TSchema } from 'typebox'
import { Create } from 'typebox/value'
import type { RouteFacts } from '../../../src/http/index.ts'
import { ask, faultIn, openStand, pathOf, routesOf, type Stand } from './stand.ts'

let stand: Stand
before(async () => {
  stand = await openStand()
})
after(async () => await stand?.faces.close())

const writes = () =>
  routesOf(stand).filter(({ method, url }) => ['POST', 'PUT', 'PATCH'].includes(method) && !/\/git-[a-z-]+$|objects\/:oid/.test(url))

async function assertHarmless(
  requests: Iterable<readonly [RouteFacts, string, string | Buffer]>,
  t: { diagnostic(text: string): void },
): Promise<void> {
  const faults: string[] = []
  let count = 0
  for (const [route, name, body] of requests) {
    for (const token of [stand.sam.token, stand.admin.token]) {
      const answer = await ask(stand, { method: route.method, url: pathOf(route, {}) }, { token, body })
      const fault = faultIn(answer)
      if (fault !== null) faults.push(`${route.method} ${route.url} ${name}: ${fault}`)
      count++
    }
  }
  t.diagnostic(`${count} requests`)
  assert.deepEqual(faults.slice(0, 30), [])
  assert.ok(count > 100)
}

const repeated = (text: string, count: number) => text.repeat(count)
const wholes: Readonly<Record<string, string | Buffer>> = {
  'arrays 100,000 deep': repeated('[', 100_000) + repeated(']', 100_000),
  'objects 50,000 deep': `${repeated('{"a":', 50_000)}1${repeated('}', 50_000)}`,
  'an open end': repeated('[', 500_000),
  '70,000 keys': `{${Array.from({ length: 70_000 }, (_, i) => `"key${i}":0`).join()}}`,
  'a million keys': `{${Array.from({ length: 1_000_000 }, (_, i) => `"k${i}":0`).join()}}`,
  'one key often': `{${repeated('"name":"a",', 50_000)}"name":"b"}`,
  'a number of 500,000 digits': `{"name":${repeated('9', 500_000)}}`,
  'more than JSON can say': '{"limit_bytes":1e999,"per_page":-1e999}',
  'a string of 900,000 bytes': `{"name":"${repeated('a', 900_000)}","login":"${'x'}"}`,
  __proto__: '{"__proto__":{"isAdmin":true,"name":"x"},"constructor":{"prototype":{"isAdmin":true}}}',
  'invalid UTF-8': Buffer.from([0x7b, 0x22, 0x6e, 0x61, 0x6d, 0x65, 0x22, 0x3a, 0x22, 0xff, 0xfe, 0xc0, 0x80, 0x22, 0x7d]),
  'a byte order mark': '\ufeff{}',
  'no object': '[]',
  'nothing at all': 'null',
  'a number': '0',
  'a string': '"name"',
  'two values': '{}{}',
  NaN: '{"name":NaN}',
  'a comment': '{/* */}',
  'UTF-16': Buffer.from('{"name":"x"}', 'utf16le'),
  gzip: gzipSync('{"name":"x"}'),
}

test('whole bodies: depth, size, doubles, numbers, encodings', async (t) => {
  function* requests() {
    // by turns: all are read by the same code before any route sees them
    for (const [at, route] of writes().entries()) {
      for (const [name, body] of Object.entries(wholes).filter((_, n) => n % 4 === at % 4)) yield [route, name, body] as const
    }
  }
  await assertHarmless(requests(), t)
  assert.equal(({} as Record<string, unknown>)['isAdmin'], undefined)
})

const values: Readonly<Record<string, string>> = {
  NUL: '"a\\u0000b"',
  'a lone surrogate': '"\\ud800"',
  'the other one': '"x\\udc00"',
  'line ends': '"a\\r\\nX-Injected: yes\\n"',
  'right to left': '"\\u202egnp.exe"',
  'a path': '"../../etc/passwd"',
  'control characters': '"\\u0001\\u001b[31m\\u007f"',
  much: `"${'é'.repeat(100_000)}"`,
  empty: '""',
  null: 'null',
  true: 'true',
  'a large number': '1e300',
  'beyond bigint': '99999999999999999999999',
  'below zero': '-9007199254740993',
  'a fraction': '0.5',
  list: '[[[]]]',
  'a list of many': `[${Array.from({ length: 50_000 }, () => '"x"').join()}]`,
  'a list of large numbers': '[1e300,-1,9007199254740993]',
  'a list with NUL': '["\\u0000"]',
  object: '{"__proto__":1,"toString":1,"then":1}',
  prototype: '{"hasOwnProperty":"x","length":-1}',
}

/** A body as the schema wants it. */
function ordinaryBody(schema: TSchema): Record<string, unknown> {
  try {
    const made: unknown = Create(schema)
    return typeof made === 'object' && made !== null && !Array.isArray(made) ? (made as Record<string, unknown>) : {}
  } catch {
    return {} // a pattern that it can't make a text for
  }
}

function propertiesOf(schema: unknown): string[] {
  const { properties = {}, anyOf = [], allOf = [] } = schema as { properties?: object; anyOf?: unknown[]; allOf?: unknown[] }
  return [...new Set([...Object.keys(properties), ...[...anyOf, ...allOf].flatMap(propertiesOf)])]
}

/** LFS checks its bodies without schemas. */
const lfsProperties = ['operation', 'objects', 'oid', 'size', 'path', 'ref', 'force', 'hash_algo', 'limit', 'cursor']

test('hostile values in every property of every body', async (t) => {
  function* requests() {
    for (const route of writes()) {
      const schema = route.schema?.body as TSchema | undefined
      const ordinary = schema === undefined ? {} : ordinaryBody(schema)
      for (const property of schema === undefined ? lfsProperties : propertiesOf(schema)) {
        const others = Object.entries(ordinary).filter(([name]) => name !== property)
        const rest = others.map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value === '' ? 'x' : value)}`).join('')
        for (const [name, value] of Object.entries(values))
          yield [route, `${property}: ${name}`, `{${JSON.stringify(property)}:${value}${rest}}`] as const
      }
    }
  }
  await assertHarmless(requests(), t)
})
