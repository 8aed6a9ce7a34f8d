// Figures in Prometheus' text format (version 0.0.4). A family has a name, a kind, label names and, for each combination of label values, a number;
// it is counted here, or asked of whoever knows it when somebody looks. Names and units by Prometheus' conventions: seconds, bytes, `_total`.

type Kind = 'counter' | 'gauge' | 'histogram'
export type Labels = readonly (string | number)[]
/** Label values, in the order of the family's names, and the figure. */
export type Sample = readonly [Labels, number]

interface Family {
  readonly name: string
  readonly kind: Kind
  readonly help: string
  lines(): Promise<string[]> | string[]
}

/** Label values that others choose must not fill the memory: a family with more series counts no new ones. */
const mostSeries = 5000

export class Metrics {
  readonly #families = new Map<string, Family>()

  /** A number that only grows; the function adds to it. */
  counter(name: string, help: string, labels: readonly string[] = []): (values?: Labels, by?: number) => void {
    const series = new Map<string, { readonly values: Labels; count: number }>()
    const lines = () => [...series.values()].map(({ values, count }) => `${name}${labelsOf(labels, values)} ${number(count)}`)
    this.#add({ name, kind: 'counter', help, lines })
    return (values = [], by = 1) => {
      const key = keyOf(values)
      const present = series.get(key)
      if (present !== undefined) present.count += by
      else if (series.size < mostSeries) series.set(key, { values, count: by })
    }
  }

  /** Numbers that somebody else counts, or knows. What he throws leaves the family out, and the others in. */
  ask(
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    labels: readonly string[],
    samples: () => Iterable<Sample> | Promise<Iterable<Sample>>,
  ): void {
    const lines = async () => [...(await samples())].map(([values, value]) => `${name}${labelsOf(labels, values)} ${number(value)}`)
    this.#add({ name, kind, help, lines })
  }

  /** How often which lengths came; the function notes one. @param bounds upper bounds, ascending */
  histogram(name: string, help: string, labels: readonly string[], bounds: readonly number[]): (values: Labels, value: number) => void {
    const series = new Map<string, { readonly values: Labels; readonly counts: number[]; sum: number }>()
    const lines = () => [...series.values()].flatMap(({ values, counts, sum }) => histogramLines(name, labels, values, bounds, counts, sum))
    this.#add({ name, kind: 'histogram', help, lines })
    return (values, value) => {
      const key = keyOf(values)
      let one = series.get(key)
      if (one === undefined) {
        if (series.size >= mostSeries) return
        one = { values, counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 }
        series.set(key, one)
      }
      const place = bounds.findIndex((bound) => value <= bound)
      const at = place < 0 ? bounds.length : place
      one.counts[at] = (one.counts[at] as number) + 1
      one.sum += value
    }
  }

  /** All families, by name. */
  async text(): Promise<string> {
    const parts: string[] = []
    for (const family of [...this.#families.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      let lines: string[]
      try {
        lines = await family.lines()
      } catch {
        continue // the database or another part doesn't answer, which others of these figures tell
      }
      parts.push(`# HELP ${family.name} ${escaped(family.help)}\n# TYPE ${family.name} ${family.kind}\n`)
      for (const line of lines) parts.push(line, '\n')
    }
    return parts.join('')
  }

  #add(family: Family): void {
    if (!/^[a-z][a-z0-9_]*$/.test(family.name) || this.#families.has(family.name)) throw new RangeError(`bad or double name ${family.name}`)
    this.#families.set(family.name, family)
  }
}

function histogramLines(
  name: string,
  labels: readonly string[],
  values: Labels,
  bounds: readonly number[],
  counts: readonly number[],
  sum: number,
): string[] {
  let count = 0
  const lines = counts.map((more, place) => {
    count += more
    const bound = place < bounds.length ? number(bounds[place] as number) : '+Inf'
    return `${name}_bucket${labelsOf([...labels, 'le'], [...values, bound])} ${count}`
  })
  return [...lines, `${name}_sum${labelsOf(labels, values)} ${number(sum)}`, `${name}_count${labelsOf(labels, values)} ${count}`]
}

/** Told apart without being written out: that is for whoever looks. */
function keyOf(values: Labels): string {
  return values.length === 1 ? String(values[0]) : values.join('\0')
}

function labelsOf(names: readonly string[], values: Labels): string {
  if (names.length === 0) return ''
  return `{${names.map((name, place) => `${name}="${escaped(String(values[place] ?? '')).replaceAll('"', '\\"')}"`).join(',')}}`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function number(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}
