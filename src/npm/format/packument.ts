// A package's documents as npm's registry writes them (npm/registry, docs/responses/package-metadata.md), made of rows, as text, piece by piece. What strangers have
// written stays text between two braces, or is parsed and written again: no word of theirs is ever set as a key of an object of ours, so that `__proto__` is a name like
// any other.
import { CorruptError } from '../../base/index.ts'
import { asBuffer } from '../../base/index.ts'
import type { PackumentForm } from './accept.ts'

/** What isn't any version's. */
export interface PackumentFacts {
  readonly name: string
  /** What the client shows who writes the document back: CouchDB's `_rev`. */
  readonly rev: string
  readonly createdAt: Date
  readonly modifiedAt: Date
  readonly tags: readonly { readonly tag: string; readonly version: string }[]
  readonly maintainers: readonly string[]
  readonly readme: string | null
  readonly readmeFilename: string | null
}

export interface PublishedVersion {
  readonly version: string
  readonly publishedAt: Date
  /** JSON: an object, without what is ours to say of it (`ownFields`). */
  readonly manifest: string
  readonly deprecated: string | null
  readonly hasInstallScript: boolean
  readonly fileCount: number
  readonly unpackedBytes: number
  /** Name of the tarball. */
  readonly file: string
  readonly sha1: Uint8Array
  readonly sha512: Uint8Array
  readonly signatures: readonly VersionSignature[]
  /** Predicate types of what is attested of it. */
  readonly attested: readonly string[]
}

export interface VersionSignature {
  readonly keyid: string
  /** Base64. */
  readonly signature: string
}

/** What this registry says of a version, whatever its publisher wrote: a manifest is kept without these. */
export const ownFields = ['_id', 'dist', 'deprecated', 'readme', 'readmeFilename', 'hasInstallScript'] as const

/** Of the version that `latest` names, what stands at the head of a full document, too. */
const hoisted = ['description', 'homepage', 'keywords', 'repository', 'contributors', 'author', 'bugs', 'license'] as const

/** Of a manifest, what an abbreviated document has; arborist asks for `acceptDependencies` and `libc`, too. */
const installFields = [
  ...(['dependencies', 'optionalDependencies', 'devDependencies', 'bundleDependencies', 'bundledDependencies'] as const),
  ...(['peerDependencies', 'peerDependenciesMeta', 'acceptDependencies', 'bin', 'directories', 'engines'] as const),
  ...(['os', 'cpu', 'libc', 'funding', '_hasShrinkwrap'] as const),
] as const

/** `https://registry.example.org/npm/acme`, without a slash at its end: where the client asked. */
export type RegistryBase = string

/** The document's text in pieces of a version each. */
export async function* packumentText(
  facts: PackumentFacts,
  versions: AsyncIterable<readonly PublishedVersion[]>,
  { form, base }: { readonly form: PackumentForm; readonly base: RegistryBase },
): AsyncGenerator<string, void, undefined> {
  const { name, tags } = facts
  const latest = tags.find(({ tag }) => tag === 'latest')?.version
  const times: string[] = []
  let head = ''
  const words = tags.map(({ tag, version }) => member(tag, version)).join(',')
  const start = form === 'full' ? `${member('_id', name)},${member('_rev', facts.rev)},` : ''
  yield `{${start}${member('name', name)},"dist-tags":{${words}},"versions":{`
  let isFirst = true
  for await (const some of versions) {
    for (const one of some) {
      const text = form === 'full' ? fullVersion(name, one, base) : abbreviatedVersion(name, one, base)
      yield `${isFirst ? '' : ','}${JSON.stringify(one.version)}:${text}`
      isFirst = false
      if (form === 'abbreviated') continue
      times.push(member(one.version, one.publishedAt))
      if (one.version === latest) head = membersOf(parseManifest(one.manifest), hoisted)
    }
  }
  if (form === 'abbreviated') yield `},${member('modified', facts.modifiedAt)}}`
  else
    yield `},"time":{${[member('created', facts.createdAt), member('modified', facts.modifiedAt), ...times].join(',')}}${fullEnd(facts, head)}`
}

/** A version's own document. */
export function fullVersion(name: string, one: PublishedVersion, base: RegistryBase): string {
  const manifest = one.manifest.trim()
  if (!manifest.startsWith('{') || !manifest.endsWith('}')) throw new CorruptError('manifest', 'the manifest of a version is no object')
  const inside = manifest.slice(1, -1).trim()
  const own = [member('_id', `${name}@${one.version}`), ...(one.deprecated === null ? [] : [member('deprecated', one.deprecated)])]
  return `{${inside}${inside === '' ? '' : ','}${own.join(',')},"dist":${distText(name, one, base)}}`
}

function abbreviatedVersion(name: string, one: PublishedVersion, base: RegistryBase): string {
  const own = [
    ...(one.deprecated === null ? [] : [member('deprecated', one.deprecated)]),
    ...(one.hasInstallScript ? [member('hasInstallScript', true)] : []),
  ].map((text) => `,${text}`)
  const fields = membersOf(parseManifest(one.manifest), installFields)
  return `{${member('name', name)},${member('version', one.version)}${own.join('')}${fields},"dist":${distText(name, one, base)}}`
}

/** `sha512-…`, as package locks have it. */
export function integrityOf(sha512: Uint8Array): string {
  return `sha512-${asBuffer(sha512).toString('base64')}`
}

function distText(name: string, one: PublishedVersion, base: RegistryBase): string {
  const provenance = one.attested.find((type) => type.startsWith('https://slsa.dev/provenance/'))
  return JSON.stringify({
    integrity: integrityOf(one.sha512),
    shasum: asBuffer(one.sha1).toString('hex'),
    tarball: `${base}/${name}/-/${one.file}`,
    fileCount: one.fileCount,
    unpackedSize: one.unpackedBytes,
    ...(one.attested.length === 0
      ? {}
      : {
          attestations: {
            url: `${base}/-/npm/v1/attestations/${name.replace('/', '%2f')}@${one.version}`,
            ...(provenance === undefined ? {} : { provenance: { predicateType: provenance } }),
          },
        }),
    signatures: one.signatures.map(({ keyid, signature: sig }) => ({ keyid, sig })),
  })
}

function fullEnd({ maintainers, readme, readmeFilename }: PackumentFacts, head: string): string {
  const people = maintainers.map((login) => ({ name: login, email: '' }))
  return `${head},${member('maintainers', people)},${member('readme', readme ?? '')},${member('readmeFilename', readmeFilename ?? '')}}`
}

/** Those that are there, each with a comma before it. */
function membersOf(manifest: Readonly<Record<string, unknown>>, names: readonly string[]): string {
  return names
    .filter((name) => Object.hasOwn(manifest, name) && manifest[name] !== undefined)
    .map((name) => `,${member(name, manifest[name])}`)
    .join('')
}

/** Its members may have any name: read them by `hasOwn`, and write to none. */
function parseManifest(text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new CorruptError('manifest', 'the manifest of a version is no JSON', { cause })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>
  throw new CorruptError('manifest', 'the manifest of a version is no object')
}

function member(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`
}
