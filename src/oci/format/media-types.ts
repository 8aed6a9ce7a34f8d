// Media types of manifests (image-spec media-types.md, distribution's schema 2): which of them are lists of other manifests.

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
export const ociIndex = 'application/vnd.oci.image.index.v1+json'
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
export const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json'
export const ociArtifact = 'application/vnd.oci.artifact.manifest.v1+json'

const dockerSchema1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/

export function isIndex(mediaType: string): boolean {
  return mediaType === ociIndex || mediaType === dockerList
}

/** One image or artifact, as opposed to an index; false for what isn't known. */
export function isManifest(mediaType: string): boolean {
  return mediaType === ociManifest || mediaType === dockerManifest || mediaType === ociArtifact
}

/** Of before content had digests; nobody makes them any more, and their digest isn't that of their bytes. */
export function isSchema1(mediaType: string): boolean {
  return dockerSchema1.test(mediaType)
}

/** What programs send that know of no type: it says nothing about a manifest. */
export function isAnything(mediaType: string): boolean {
  return ['application/json', 'application/octet-stream', 'application/x-www-form-urlencoded', 'text/plain'].includes(mediaType)
}

/** What Content-Type says without its parameters, in lower case; null where it is missing or none. */
export function mediaTypeOf(header: string | undefined): string | null {
  const type = header?.split(';')[0]?.trim().toLowerCase() ?? ''
  return isMediaType(type) ? type : null
}

/** `type/subtype` of RFC 6838, and not longer than it allows. */
export function isMediaType(text: string): boolean {
  return text.length <= 255 && /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(text)
}
