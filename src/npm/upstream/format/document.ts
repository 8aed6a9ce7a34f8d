// A package's document as an upstream gives it: read, bounded to what was published long enough ago, and written again with tarballs that are ours. Its words are
// strangers': names of members are never set on objects of ours (`__proto__` is one like any other), each member is written as text. Pure.
import { compare, parse, type SemVer } from 'semver'
import { InputError } from '../../../base/index.ts'
import { type NpmName, tarballName } from '../../format/names.ts'
import { parseVersion } from '../../format/versions.ts'

type JsonObject = Readonly<Record<string, unknown>>

export interface UpstreamDocument {
  readonly name: string
  readonly tags: readonly (readonly [tag: string, version: string])[]
  readonly versions: ReadonlyMap<string, JsonObject>
  /** When each version was published, ms; what isn't there is not known. Null: the document doesn't say of any. */
  readonly times: ReadonlyMap<string, number> | null
  readonly all: JsonObject
}

/** Of one version: where its tarball is there, and what its bytes must be. */
export interface Dist {
  readonly url: string
  readonly integrity: string | null
  readonly shasum: string | null
}

/** What an abbreviated document has of a version (npm/registry, docs/responses/package-metadata.md), and what clients ask for, too. */
const installFields = [
  ...(['name', 'version', 'deprecated', 'dependencies', 'optionalDependencies', 'devDependencies', 'bundleDependencies'] as const),
  ...(['bundledDependencies', 'peerDependencies', 'peerDependenciesMeta', 'acceptDependencies', 'bin', 'directories'] as const),
  ...(['engines', 'os', 'cpu', 'libc', 'funding', '_hasShrinkwrap', 'hasInstallScript', 'dist'] as const),
] as const
const installScripts = ['preinstall', 'install', 'postinstall']
/** Written anew, or nobody's business. */
const ownFields: ReadonlySet<string> = new Set(['versions', 'dist-tags', 'time', '_attachments', '_rev', '_revisions'])

/** InputError `bad-document`: it is none, or another package's. */
export function parseDocument(text: string, name: string): UpstreamDocument {
  let all: unknown
  try {
    all = JSON.parse(text)
  } catch (cause) {
    throw new InputError('bad-document', 'its document is no JSON', { cause })
  }
  if (!isObject(all) || all['name'] !== name) throw new InputError('bad-document', `its document is not that of ${name}`)
  const { versions = {}, 'dist-tags': tags = {}, time } = all
  if (!isObject(versions) || !isObject(tags)) throw new InputError('bad-document', 'its document has no versions')
  return {
    name,
    all,
    tags: Object.entries(tags).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    versions: new Map(Object.entries(versions).filter((entry): entry is [string, JsonObject] => isVersion(entry))),
    times: isObject(time) ? new Map(Object.entries(time).flatMap(timeOf)) : null,
  }
}

/** Those that were published before then, with tags that lead to such. @param before ms; null: all */
export function agedDocument(document: UpstreamDocument, before: number | null): UpstreamDocument {
  if (before === null) return document
  const versions = new Map([...document.versions].filter(([version]) => isOldEnough(document, version, before)))
  const tags = document.tags.flatMap(([tag, version]) => {
    const standIn = versions.has(version) ? version : newestLike(version, [...versions.keys()], tag === 'latest')
    return standIn === null ? [] : [[tag, standIn] as const]
  })
  return { ...document, versions, tags }
}

/** The soonest that one more version will have been published before; null: none will. @param before ms */
export function nextOfAge({ versions, times }: UpstreamDocument, before: number): number | null {
  const coming = [...versions.keys()].flatMap((version) => times?.get(version) ?? []).filter((time) => time >= before)
  return coming.length === 0 ? null : coming.reduce((a, b) => Math.min(a, b))
}

/** An unknown age is none: what the upstream says nothing of may be of this minute. */
function isOldEnough({ times }: UpstreamDocument, version: string, before: number): boolean {
  const time = times?.get(version)
  return time !== undefined && time < before
}

/** In place of a version that is too young: the highest below it, a prerelease only for a prerelease. `latest` leads somewhere as long as there is anything. */
function newestLike(version: string, versions: readonly string[], isLatest: boolean): string | null {
  const young = parse(version)
  if (young === null) return null
  const others = versions.flatMap((text) => parse(text) ?? []).sort((a, b) => compare(b, a))
  const isLike = (other: SemVer) => compare(other, young) < 0 && other.prerelease.length > 0 === young.prerelease.length > 0
  const found = others.find(isLike) ?? (isLatest ? others[0] : undefined)
  return found === undefined ? null : found.raw
}

export interface Rendering {
  readonly form: 'full' | 'abbreviated'
  readonly name: NpmName
  /** What URLs begin with: the registry that the client asked. */
  readonly base: string
}

/** The document's text in pieces. */
export function* documentText(document: UpstreamDocument, rendering: Rendering): Generator<string, void, undefined> {
  const { form } = rendering
  yield `{${member('name', document.name)},"dist-tags":${tagsText(document)},"versions":{`
  let separator = ''
  for (const [version, manifest] of document.versions) {
    const text = versionText(version, form === 'full' ? manifest : abbreviated(manifest), rendering)
    yield `${separator}${JSON.stringify(version)}:${text}`
    separator = ','
  }
  yield '}'
  if (form === 'abbreviated') {
    const modified = modifiedOf(document)
    yield modified === null ? '}' : `,${member('modified', modified)}}`
    return
  }
  const time = document.all['time']
  if (isObject(time)) {
    const kept = Object.entries(time).filter(([word]) => document.versions.has(word) || word === 'created' || word === 'modified')
    yield `,"time":{${kept.map(([word, at]) => member(word, at)).join(',')}}`
  }
  for (const [word, value] of Object.entries(document.all)) {
    if (word !== 'name' && !ownFields.has(word)) yield `,${member(word, value)}`
  }
  yield '}'
}

/** Version by tag. */
export function tagsText({ tags }: UpstreamDocument): string {
  return `{${tags.map(([tag, version]) => member(tag, version)).join(',')}}`
}

/** One version's own document; null: there is neither such a version nor such a tag. */
export function versionDocument(document: UpstreamDocument, wanted: string, rendering: Rendering): string | null {
  const version = document.tags.find(([tag]) => tag === wanted)?.[1] ?? wanted
  const manifest = document.versions.get(version)
  return manifest === undefined ? null : versionText(version, manifest, rendering)
}

/** What installing needs of it, tarballs where they are, times with it: what is kept to make abbreviated documents of. */
export function* reducedText(document: UpstreamDocument): Generator<string, void, undefined> {
  yield `{${member('name', document.name)},${member('dist-tags', document.all['dist-tags'] ?? {})},"versions":{`
  let separator = ''
  for (const [version, manifest] of document.versions) {
    yield `${separator}${JSON.stringify(version)}:${JSON.stringify(abbreviated(manifest))}`
    separator = ','
  }
  yield '}'
  const { time, modified } = document.all
  if (isObject(time)) yield `,${member('time', time)}`
  yield `${modified === undefined ? '' : `,${member('modified', modified)}`}}`
}

/** All versions', for whoever looks for one: a line each, of version, time (ms, or nothing), URL, integrity and shasum, with tabs between. */
export function distLines(document: UpstreamDocument): string {
  const lines = [...document.versions].flatMap(([version, { dist }]) => {
    if (!isObject(dist)) return []
    const { tarball, integrity = '', shasum = '' } = dist
    const cells = [version, String(document.times?.get(version) ?? ''), tarball, integrity, shasum]
    return cells.every((cell): cell is string => typeof cell === 'string' && !/[\t\n]/.test(cell)) ? [cells.join('\t')] : []
  })
  return `\n${lines.join('\n')}\n`
}

/** @param before ms; a version that was published later, or nobody knows when, isn't there. Null: all are */
export function findDist(lines: string, version: string, before: number | null): Dist | null {
  const start = lines.indexOf(`\n${version}\t`)
  if (start < 0) return null
  const [, time = '', url = '', integrity = '', shasum = ''] = lines.slice(start + 1, lines.indexOf('\n', start + 1)).split('\t')
  if (before !== null && (time === '' || Number(time) >= before)) return null
  return { url, integrity: integrity === '' ? null : integrity, shasum: shasum === '' ? null : shasum }
}

function versionText(version: string, manifest: JsonObject, { name, base }: Rendering): string {
  const members = Object.entries(manifest).map(([word, value]) =>
    word === 'dist' && isObject(value) ? `"dist":${distText(version, value, { name, base })}` : member(word, value),
  )
  return `{${members.join(',')}}`
}

/** As it came, signatures with it, but for the places of bytes. */
function distText(version: string, dist: JsonObject, { name, base }: Omit<Rendering, 'form'>): string {
  const members = Object.entries(dist).flatMap(([word, value]) => {
    if (word === 'tarball') return [member(word, `${base}/${name.full}/-/${tarballName(name, version)}`)]
    if (word !== 'attestations') return [member(word, value)]
    if (!isObject(value)) return []
    const rest = Object.entries(value).filter(([inner]) => inner !== 'url')
    const url = member('url', `${base}/-/npm/v1/attestations/${name.full}@${version}`)
    return [`"attestations":{${[url, ...rest.map(([inner, one]) => member(inner, one))].join(',')}}`]
  })
  return `{${members.join(',')}}`
}

function abbreviated(manifest: JsonObject): JsonObject {
  const found: Record<string, unknown> = {}
  for (const field of installFields) if (Object.hasOwn(manifest, field)) found[field] = manifest[field]
  const { scripts } = manifest
  const hasScript = isObject(scripts) && installScripts.some((script) => Object.hasOwn(scripts, script))
  if (hasScript && found['hasInstallScript'] === undefined) found['hasInstallScript'] = true
  return found
}

function modifiedOf({ all, times }: UpstreamDocument): string | null {
  const { modified } = all
  if (typeof modified === 'string') return modified
  const newest = times === null ? undefined : (times.get('modified') ?? [...times.values()].reduce((a, b) => Math.max(a, b), 0))
  return newest === undefined || newest === 0 ? null : new Date(newest).toISOString()
}

/** A version that semver knows, and paths can name, with a tarball somewhere. */
function isVersion([version, manifest]: [string, unknown]): boolean {
  if (parseVersion(version) === null || !isObject(manifest)) return false
  const { dist } = manifest
  return isObject(dist) && typeof dist['tarball'] === 'string'
}

function timeOf([word, text]: [string, unknown]): (readonly [string, number])[] {
  const time = typeof text === 'string' ? Date.parse(text) : Number.NaN
  return Number.isNaN(time) ? [] : [[word, time]]
}

function member(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
