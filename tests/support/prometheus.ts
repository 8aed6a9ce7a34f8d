// Reads Prometheus' text format (0.0.4) strictly, and holds it to what the format and its conventions ask.
import assert from 'node:assert/strict'

export interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Exposition {
  readonly types: ReadonlyMap<string, string>
  readonly series: readonly Series[]
  /** The sum of the series of that name that have those labels. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number
}

export function parseExposition(text: string): Exposition {
  assert.ok(text.endsWith('\n'), 'the last line has no end')
  const types = new Map<string, string>()
  const helped = new Set<string>()
  const series: Series[] = []
  const seen = new Set<string>()
  let family = ''
  for (const line of text.slice(0, -1).split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line) ?? []
    if (kind === 'HELP') {
      assert.ok(!helped.has(name), `two HELP lines for ${name}`)
      helped.add(name)
      continue
    }
    if (kind === 'TYPE') {
      assert.ok(!types.has(name), `two TYPE lines for ${name}`)
      assert.match(rest, /^(counter|gauge|histogram)$/)
      assert.ok(helped.has(name), `${name} has no HELP`)
      types.set(name, rest)
      family = name
      continue
    }
    const one = parseSeries(line)
    const base = types.get(family) === 'histogram' ? one.name.replace(/_(bucket|sum|count)$/, '') : one.name
    assert.equal(base, family, `${line} stands below ${family}`)
    const key = `${one.name}${JSON.stringify(Object.entries(one.labels).sort())}`
    assert.ok(!seen.has(key), `twice: ${line}`)
    seen.add(key)
    series.push(one)
  }
  assertConventions(types, series)
  const sum = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    series
      .filter((one) => one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value))
      .reduce((total, one) => total + one.value, 0)
  return { types, series, sum }
}

function parseSeries(line: string): Series {
  const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line)
  assert.ok(match, `no sample: ${line}`)
  const [, name = '', inner, value = ''] = match
  const labels: Record<string, string> = {}
  let rest = inner ?? ''
  while (rest !== '') {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?=.)|$)/.exec(rest)
    assert.ok(label, `no labels: ${line}`)
    const [whole, key = '', escaped = ''] = label
    assert.ok(!(key in labels), `a label twice: ${line}`)
    labels[key] = escaped.replaceAll(/\\([\\"n])/g, (_, char: string) => (char === 'n' ? '\n' : char))
    rest = rest.slice(whole.length)
  }
  const parsed = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value)
  assert.ok(!Number.isNaN(parsed), `no number: ${line}`)
  return { name, labels, value: parsed }
}

function assertConventions(types: ReadonlyMap<string, string>, series: readonly Series[]): void {
  for (const [name, kind] of types) {
    assert.equal(kind === 'counter', name.endsWith('_total'), `${name} is a ${kind}`)
    assert.doesNotMatch(name, /_(ms|milliseconds|kb|mib|percent)(_|$)/, `${name} has no base unit`)
    if (kind !== 'histogram') continue
    const counts = series.filter((one) => one.name === `${name}_count`)
    for (const count of counts) {
      const own = (one: Series) => Object.entries(count.labels).every(([label, value]) => one.labels[label] === value)
      const buckets = series.filter((one) => one.name === `${name}_bucket` && own(one))
      const values = buckets.map((one) => one.value)
      assert.deepEqual(
        values,
        values.toSorted((a, b) => a - b),
        `${name} is not cumulative`,
      )
      const bounds = buckets.map((one) => (one.labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(one.labels.le)))
      assert.deepEqual(
        bounds,
        bounds.toSorted((a, b) => a - b),
      )
      assert.equal(bounds.at(-1), Number.POSITIVE_INFINITY)
      assert.equal(values.at(-1), count.value)
    }
  }
  for (const one of series) {
    const isCounted = types.get(one.name) === 'counter' || /_(bucket|count)$/.test(one.name)
    if (isCounted) assert.ok(one.value >= 0, `${one.name} is below nothing`)
  }
}
