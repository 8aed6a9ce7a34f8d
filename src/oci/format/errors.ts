// The protocol's errors (distribution-spec, Error Codes): the one table of what a client is told, with which status, and what it does about it.
// docs/design/oci.md prints it; a test holds the two together.
import { InputError } from '../../base/index.ts'

interface OciError {
  /** As the protocol names it. */
  readonly code: string
  readonly status: number
  /** What has happened, when nobody says it better. */
  readonly message: string
  /** What the client does. */
  readonly client: string
}

/** By the word that InputError and Refusal carry as their code. */
export const ociErrors = {
  'blob-unknown': {
    code: 'BLOB_UNKNOWN',
    status: 404,
    message: 'the image has no such blob',
    client: 'uploads it, or asks another registry',
  },
  'upload-invalid': { code: 'BLOB_UPLOAD_INVALID', status: 400, message: 'the upload is malformed', client: 'gives up' },
  'upload-range': {
    code: 'BLOB_UPLOAD_INVALID',
    status: 416,
    message: 'these bytes do not follow those that have come',
    client: 'asks where the upload ends, and goes on from there',
  },
  'upload-unknown': { code: 'BLOB_UPLOAD_UNKNOWN', status: 404, message: 'the image has no such upload', client: 'begins anew' },
  'digest-invalid': {
    code: 'DIGEST_INVALID',
    status: 400,
    message: 'the digest is malformed, or the bytes have another',
    client: 'gives up; a blob it may upload anew',
  },
  'parts-unknown': {
    code: 'MANIFEST_BLOB_UNKNOWN',
    status: 404,
    message: 'the manifest names what the image does not have',
    client: 'uploads that first',
  },
  'manifest-invalid': { code: 'MANIFEST_INVALID', status: 400, message: 'the manifest is malformed', client: 'gives up' },
  'manifest-unknown': { code: 'MANIFEST_UNKNOWN', status: 404, message: 'the image has no such manifest', client: 'gives up' },
  'manifest-large': { code: 'MANIFEST_INVALID', status: 413, message: 'the manifest is too large', client: 'gives up' },
  'name-invalid': { code: 'NAME_INVALID', status: 400, message: 'this is no name of an image', client: 'gives up' },
  'name-unknown': { code: 'NAME_UNKNOWN', status: 404, message: 'there is no such image', client: 'gives up, or signs in' },
  'tag-invalid': { code: 'TAG_INVALID', status: 400, message: 'this is no tag', client: 'gives up' },
  'size-invalid': { code: 'SIZE_INVALID', status: 400, message: 'the body is not as long as was said', client: 'sends it again' },
  'too-large': { code: 'SIZE_INVALID', status: 413, message: 'this is more than the server takes', client: 'gives up' },
  'range-invalid': { code: 'SIZE_INVALID', status: 416, message: 'the blob has no such bytes', client: 'asks for others' },
  'page-invalid': { code: 'PAGINATION_NUMBER_INVALID', status: 400, message: 'n must be a whole number', client: 'gives up' },
  unauthorized: { code: 'UNAUTHORIZED', status: 401, message: 'authentication is required', client: 'signs in as the challenge says' },
  denied: { code: 'DENIED', status: 403, message: 'this is not allowed', client: 'gives up' },
  'in-use': { code: 'DENIED', status: 405, message: 'a manifest of the image names it', client: 'deletes the manifest first' },
  unsupported: { code: 'UNSUPPORTED', status: 405, message: 'this is not supported here', client: 'gives up' },
  'no-such-path': { code: 'UNSUPPORTED', status: 404, message: 'the protocol has nothing at this path', client: 'gives up' },
  'too-many-requests': { code: 'TOOMANYREQUESTS', status: 429, message: 'too many requests', client: 'waits as Retry-After says' },
  unavailable: { code: 'UNAVAILABLE', status: 503, message: 'the server cannot answer now', client: 'tries again after a while' },
  unknown: { code: 'UNKNOWN', status: 500, message: 'the server has failed', client: 'tries again, or gives up' },
} as const satisfies Readonly<Record<string, OciError>>

export type OciErrorWord = keyof typeof ociErrors

/** Words of other rooms' errors (the store, the listener, the gate), in ours. */
const foreign: Readonly<Record<string, OciErrorWord>> = {
  'digest-mismatch': 'digest-invalid',
  'size-mismatch': 'size-invalid',
  'bad-length': 'size-invalid',
  'upload-offset': 'upload-range',
  'upload-busy': 'upload-range',
  'too-many-parts': 'upload-invalid',
  'not-found': 'name-unknown',
  'wrong-method': 'unsupported',
  'bad-path': 'name-invalid',
  'bad-scope': 'unsupported',
  'unsupported-grant': 'unsupported',
}

const byStatus: Readonly<Record<number, OciErrorWord>> = {
  400: 'upload-invalid',
  401: 'unauthorized',
  403: 'denied',
  404: 'no-such-path',
  405: 'unsupported',
  413: 'too-large',
  429: 'too-many-requests',
  503: 'unavailable',
}

/** Statuses of InputErrors that other rooms don't know the protocol's of. */
export const ociStatuses: Readonly<Record<string, number>> = Object.fromEntries([
  ...Object.entries(ociErrors).map(([word, { status }]) => [word, status] as const),
  ...Object.entries(foreign).map(([word, ours]) => [word, ociErrors[ours].status] as const),
])

/** The protocol's code for whatever problem has come up. */
export function ociCode(word: string, status: number): string {
  if (word in ociErrors) return ociErrors[word as OciErrorWord].code
  const known = foreign[word] ?? byStatus[status]
  if (known !== undefined) return ociErrors[known].code
  return status >= 500 ? ociErrors.unknown.code : ociErrors.unsupported.code
}

export function ociError(word: OciErrorWord, message: string = ociErrors[word].message): InputError {
  return new InputError(word, message)
}
