// Names of images and tags (distribution-spec, Pulling manifests), and the tag under which clients of old kept referrers (Referrers Tag Schema).
import { ociError } from './errors.ts'
import type { OciDigest } from './digests.ts'

/** As clients bound it. */
const nameLimit = 255

const part = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const name = new RegExp(`^${part}(?:/${part})*$`)
const tag = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/** An image's name: its first component is its owner's. */
export interface ImageName {
  readonly owner: string
  /** The rest, with its slashes. */
  readonly image: string
  /** `owner/image` */
  readonly text: string
}

/** Null where it is none; also where it has one component alone: every image is somebody's. */
export function parseImageName(text: string): ImageName | null {
  const slash = text.indexOf('/')
  if (slash < 0 || text.length > nameLimit || !name.test(text)) return null
  return { owner: text.slice(0, slash), image: text.slice(slash + 1), text }
}

/** InputError 'name-invalid'. */
export function assertImageName(text: string): ImageName {
  const found = parseImageName(text)
  if (found !== null) return found
  const words = text.includes('/') || !name.test(text) ? '' : ' Here it begins with its owner: OWNER/IMAGE.'
  throw ociError(
    'name-invalid',
    `A name of an image has components of a-z and 0-9, with single dots, one or two underscores or hyphens inside, parted by slashes, and at most ${nameLimit} characters.${words}`,
  )
}

export function isTag(text: string): boolean {
  return tag.test(text)
}

/** InputError 'tag-invalid'. */
export function assertTag(text: unknown): string {
  if (typeof text === 'string' && isTag(text)) return text
  throw ociError(
    'tag-invalid',
    'A tag has at most 128 of a-z, A-Z, 0-9, dot, hyphen and underscore, and begins with none of dot and hyphen',
  )
}

/** The tag of the index in which clients keep a manifest's referrers where a registry has no list of them. */
export function referrersTag({ text }: Pick<OciDigest, 'text'>): string {
  const [algorithm = '', encoded = ''] = text.split(':')
  return `${algorithm.slice(0, 32)}-${encoded.slice(0, 64)}`.replaceAll(/[^a-zA-Z0-9._-]/g, '-')
}
