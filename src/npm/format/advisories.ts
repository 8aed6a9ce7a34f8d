// Advisories about packages: OSV's documents (https://ossf.github.io/osv-schema/), as GitHub's database has them, and those that npm's registries answer with. Pure.
import { hash } from 'node:crypto'
import { Range, satisfies, valid, validRange } from 'semver'
import { InputError } from '../../base/index.ts'

const severities = ['info', 'low', 'moderate', 'high', 'critical'] as const
export type Severity = (typeof severities)[number]

/** As npm's clients take it. */
export interface Advisory {
  /** A number: some clients take no other. */
  readonly id: number
  readonly name: string
  readonly url: string
  readonly title: string
  readonly severity: Severity
  /** Of node-semver. */
  readonly vulnerableVersions: string
  readonly cwe: readonly string[]
  readonly cvss: { readonly score: number; readonly vectorString: string | null }
}

type Fields = Readonly<Record<string, unknown>>
const rangeOptions = { includePrerelease: true, loose: true }

/** Of one document, or a list of them; none where it is about other things than packages of npm's, or was withdrawn. InputError `bad-advisory`. */
export function parseAdvisories(document: unknown): Advisory[] {
  if (Array.isArray(document)) return document.flatMap(parseAdvisories)
  const fields = fieldsIn(document)
  if (fields === null) throw refuse('an advisory is an object')
  if (Array.isArray(fields.affected)) return typeof fields.withdrawn === 'string' ? [] : ofOsv(fields, fields.affected)
  if (typeof fields.vulnerable_versions === 'string') return [ofNpm(fields, fields.vulnerable_versions)]
  throw refuse(`${String(fields.id ?? '?').slice(0, 100)} is neither OSV's nor npm's: it has neither 'affected' nor 'vulnerable_versions'`)
}

function ofNpm(fields: Fields, vulnerableVersions: string): Advisory {
  const name = fields.name ?? fields.module_name
  const id = String(fields.id ?? fields.url ?? '')
  if (typeof name !== 'string' || id === '') throw refuse("an advisory of npm's has an id and a name")
  return {
    id: numberOf(id),
    name,
    url: textOr(fields.url, ''),
    title: textOr(fields.title, id),
    severity: severityIn(fields.severity),
    vulnerableVersions: rangeIn(vulnerableVersions, id),
    cwe: textsIn(fields.cwe),
    cvss: cvssIn(fieldsIn(fields.cvss)?.score, fieldsIn(fields.cvss)?.vectorString),
  }
}

function ofOsv(fields: Fields, affected: readonly unknown[]): Advisory[] {
  const id = textOr(fields.id, '')
  if (id === '') throw refuse("an advisory of OSV's has an id")
  const more = fieldsIn(fields.database_specific) ?? {}
  const [score] = [fields.severity].flat().map(fieldsIn)
  const url = [fields.references]
    .flat()
    .map(fieldsIn)
    .find((one) => one?.type === 'ADVISORY')?.url
  const common = {
    url: id.startsWith('GHSA-') ? `https://github.com/advisories/${id}` : textOr(url, `https://osv.dev/vulnerability/${id}`),
    title: textOr(fields.summary, id),
    severity: severityIn(more.severity),
    cwe: textsIn(more.cwe_ids),
    cvss: cvssIn(undefined, score?.score),
  }
  return affected.flatMap((one) => {
    const { package: meant, ranges, versions } = fieldsIn(one) ?? {}
    const { ecosystem, name } = fieldsIn(meant) ?? {}
    if (ecosystem !== 'npm' || typeof name !== 'string') return []
    const found = [ranges].flat().flatMap((range) => rangesOf(fieldsIn(range) ?? {}))
    // a list of versions says no more than ranges do, where there are some
    const all = found.length > 0 ? found : textsIn(versions).filter((version) => valid(version) !== null)
    return all.length === 0 ? [] : [{ ...common, id: numberOf(`${id} ${name}`), name, vulnerableVersions: rangeIn(all.join(' || '), id) }]
  })
}

/** The events of a range, in the order of the document: introduced, and fixed or last affected. */
function rangesOf({ type, events }: Fields): string[] {
  if (type !== 'SEMVER' && type !== 'ECOSYSTEM') return []
  const found: string[] = []
  let from: string | null = null
  const until = (end: string) => {
    found.push([from === null || from === '0' ? '' : `>=${from}`, end].filter((part) => part !== '').join(' ') || '*')
    from = null
  }
  for (const event of [events].flat().map(fieldsIn)) {
    if (typeof event?.introduced === 'string') from = event.introduced
    else if (typeof event?.fixed === 'string') until(`<${event.fixed}`)
    else if (typeof event?.last_affected === 'string') until(`<=${event.last_affected}`)
  }
  if (from !== null) until('')
  return found
}

function rangeIn(text: string, id: string): string {
  if (text.length <= 10_000 && validRange(text, rangeOptions) !== null) return text
  throw refuse(`the versions of ${id.slice(0, 100)} are no range: ${text.slice(0, 200)}`)
}

/** What it is about, ready to be asked often. */
export class VersionRange {
  readonly #range: Range

  constructor({ vulnerableVersions }: Pick<Advisory, 'vulnerableVersions'>) {
    this.#range = new Range(vulnerableVersions, rangeOptions)
  }

  has(version: string): boolean {
    return version.length <= 256 && satisfies(version, this.#range, rangeOptions)
  }
}

/** As `advisories/bulk` answers. */
export function advisoryJson({ id, url, title, severity, vulnerableVersions, cwe, cvss }: Advisory) {
  return { id, url, title, severity, vulnerable_versions: vulnerableVersions, cwe, cvss }
}

function numberOf(id: string): number {
  return /^\d{1,15}$/.test(id) ? Number(id) : hash('sha256', id, 'buffer').readUIntBE(0, 6)
}

function severityIn(word: unknown): Severity {
  const small = typeof word === 'string' ? word.toLowerCase() : ''
  const meant = small === 'medium' ? 'moderate' : small
  return severities.find((one) => one === meant) ?? 'high'
}

function cvssIn(score: unknown, vector: unknown) {
  return { score: typeof score === 'number' ? score : 0, vectorString: typeof vector === 'string' ? vector : null }
}

function fieldsIn(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null
}

function textOr(value: unknown, other: string): string {
  return typeof value === 'string' && value !== '' ? value.slice(0, 2000) : other
}

function textsIn(value: unknown): string[] {
  return [value].flat().filter((one): one is string => typeof one === 'string')
}

function refuse(why: string): InputError {
  return new InputError('bad-advisory', why)
}
