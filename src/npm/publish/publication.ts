// What a publish says, read out of its document and held against its tarball: one version of one package, as it will stand in its rows. Pure but for its errors.
import { fromUtf8, InputError } from '../../base/index.ts'
import { formatIntegrity, faultOfSums } from '../format/integrity.ts'
import type { NpmName } from '../format/names.ts'
import { assertTag, parseVersion, versionKey } from '../format/versions.ts'
import { parse } from 'semver'
import { badTarball, type TarballFiles } from './tarball-walk.ts'

/** A tarball that has come whole, and was found to be one. */
export interface Tarball {
  /** As the document calls it. */
  readonly attachment: string
  readonly sizeBytes: number
  readonly sha1: Uint8Array
  readonly sha512: Uint8Array
  readonly files: TarballFiles
}

export interface Publication {
  readonly version: string
  readonly key: string
  /** That lead to it from now on. */
  readonly tags: readonly string[]
  /** As it is kept: without `dist`, readme and deprecation. */
  readonly manifest: Readonly<Record<string, unknown>>
  readonly readme: string | null
  readonly readmeFilename: string | null
  readonly deprecated: string | null
  readonly gitHead: string | null
  readonly hasInstallScript: boolean
  /** Where its manifest says that it comes from; a URL, or anything. */
  readonly repository: string | null
  /** The provenance's bundle, as text; null: none came. */
  readonly bundle: string | null
  readonly tarball: Tarball
}

type Json = Readonly<Record<string, unknown>>

/** What is ours to say of a version, and what its publisher's disk was like. */
const notKept = ['_id', 'hasInstallScript', '_attachments', '_resolved', '_from', '_where', '_args']
const bundleEnd = '.sigstore'
const mostBundleBytes = 1 << 20
const mostTags = 20

/** InputError 'bad-document', 'bad-version', 'bad-tag', 'bad-tarball', 'bad-integrity', 'bad-length', 'name-mismatch'. */
export function readPublication(document: unknown, tarball: Tarball, { full }: NpmName): Publication {
  const packument = objectOf(document, 'The document')
  assertNamed(packument, full)
  const versions = Object.entries(objectOf(packument['versions'], '`versions`'))
  const [named, said] = versions[0] ?? []
  if (named === undefined || versions.length > 1) throw badDocument('A publish has one version, with its tarball')
  const version = parseVersion(named)
  if (version === null) throw new InputError('bad-version', `${JSON.stringify(named).slice(0, 100)} is no version as semver writes it`)
  const { dist = {}, readme, readmeFilename, deprecated, ...others } = objectOf(said, 'The manifest')
  const manifest = Object.fromEntries(Object.entries(others).filter(([key]) => !notKept.includes(key)))
  if (manifest['name'] !== full || manifest['version'] !== version) throw badDocument(`The manifest is not that of ${full}@${version}`)
  const fault = faultOfSums(objectOf(dist, '`dist`'), tarball)
  if (fault !== null) throw new InputError('bad-integrity', `${fault}: ${formatIntegrity(tarball.sha512)}`)
  const bundle = attachmentsOf(packument, tarball)
  const inside = manifestInside(tarball.files.packageJson, full, version)
  return {
    version,
    key: versionKey(version),
    tags: tagsOf(packument['dist-tags'], version),
    manifest,
    readme: textOf(readme) ?? textOf(packument['readme']),
    readmeFilename: textOf(readmeFilename) ?? textOf(packument['readmeFilename']),
    deprecated: textOf(deprecated),
    gitHead: gitHeadOf(manifest['gitHead']),
    hasInstallScript: hasInstallScript(manifest, inside, tarball.files.hasBindingGyp),
    repository: repositoryOf(manifest['repository']),
    bundle,
    tarball,
  }
}

/** A document without a tarball, of this package; its parts. InputError 'bad-document'. */
export function readPackument(document: unknown, { full }: Pick<NpmName, 'full'>) {
  const packument = objectOf(document, 'The document')
  assertNamed(packument, full)
  return {
    /** Null: it says nothing of them. */
    versions: packument['versions'] === undefined ? null : objectOf(packument['versions'], '`versions`'),
    tags: packument['dist-tags'] === undefined ? null : objectOf(packument['dist-tags'], '`dist-tags`'),
    revision: textOf(packument['_rev']),
    packument,
  }
}

function assertNamed(packument: Json, full: string): void {
  for (const key of ['name', '_id']) {
    const said = packument[key]
    if (said !== undefined && said !== full)
      throw new InputError('name-mismatch', `The document is about ${JSON.stringify(said).slice(0, 220)}, not about ${full}`)
  }
}

/** The bundle's text. */
function attachmentsOf(packument: Json, tarball: Tarball): string | null {
  const attachments = objectOf(packument['_attachments'], '`_attachments`')
  const { length } = objectOf(attachments[tarball.attachment], 'The attachment')
  if (length !== undefined && length !== tarball.sizeBytes)
    throw new InputError(
      'bad-length',
      `The tarball has ${tarball.sizeBytes} bytes, and its attachment says ${JSON.stringify(length).slice(0, 100)}`,
    )
  const others = Object.keys(attachments).filter((name) => name !== tarball.attachment)
  const [name] = others
  if (name === undefined) return null
  if (others.length > 1 || !name.endsWith(bundleEnd)) throw badDocument('Besides the tarball only a provenance bundle may be attached')
  const { data } = objectOf(attachments[name], 'The attachment')
  if (typeof data !== 'string') throw badDocument('The provenance bundle is no text')
  if (data.length > mostBundleBytes) throw new InputError('too-large', `A provenance bundle has at most ${mostBundleBytes} bytes`)
  return data
}

/** What the tarball's own package.json says. */
function manifestInside(bytes: Uint8Array, name: string, version: string): Json {
  let inside: unknown
  try {
    inside = JSON.parse(fromUtf8(bytes)) // past a byte order mark, as npm does
  } catch (cause) {
    throw new InputError('bad-tarball', 'The tarball has a package.json that is not JSON', { cause })
  }
  if (inside === null || typeof inside !== 'object' || Array.isArray(inside)) throw badTarball('has a package.json that is no object')
  const said = inside as Json
  // npm trims both before it publishes, and takes `v1.0.0` for `1.0.0`
  const [itsName, itsVersion] = [textOf(said['name'])?.trim(), parse(textOf(said['version'])?.trim() ?? null, { loose: true })]
  const plain = itsVersion === null ? null : `${itsVersion.version}${itsVersion.build.length > 0 ? `+${itsVersion.build.join('.')}` : ''}`
  if (itsName !== name || (plain !== version && itsVersion?.version !== version))
    throw badTarball(`holds ${String(itsName).slice(0, 220)}@${String(plain)}, not ${name}@${version}`)
  return said
}

function tagsOf(tags: unknown, version: string): readonly string[] {
  const entries = Object.entries(objectOf(tags ?? {}, '`dist-tags`'))
  if (entries.length > mostTags) throw badDocument(`A publish sets at most ${mostTags} tags`)
  for (const [tag, to] of entries) {
    assertTag(tag)
    if (to !== version) throw badDocument(`The tag ${tag} leads to another version than ${version}`)
  }
  return entries.map(([tag]) => tag).sort()
}

/** What npm runs when a package is installed: scripts, of what is said outside and inside, or its own for a binding.gyp. */
function hasInstallScript(outside: Json, inside: Json, hasBindingGyp: boolean): boolean {
  const has = ({ scripts }: Json) =>
    scripts !== null &&
    typeof scripts === 'object' &&
    ['preinstall', 'install', 'postinstall'].some((name) => textOf((scripts as Json)[name]) !== null)
  return has(outside) || has(inside) || (hasBindingGyp && inside['gypfile'] !== false)
}

function repositoryOf(repository: unknown): string | null {
  if (repository !== null && typeof repository === 'object') return textOf((repository as Json)['url'])
  return textOf(repository)
}

function gitHeadOf(head: unknown): string | null {
  return typeof head === 'string' && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(head) ? head : null
}

/** Text that says something. */
function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.replaceAll('\0', '') : null // PostgreSQL's text holds none
}

function objectOf(value: unknown, what: string): Json {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw badDocument(`${what} is no object`)
  return value as Json
}

function badDocument(message: string): InputError {
  return new InputError('bad-document', message)
}
