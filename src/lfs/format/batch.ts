// The request of the batch API (git-lfs docs/api/batch.md): which objects somebody wants to download or upload.
import { InputError } from '../../base/index.ts'
import { assertRef, fieldsOf, invalid, optionalText } from './fields.ts'

/** So many objects may be asked for at once; clients send 100. */
export const mostObjects = 1000

export type Operation = 'download' | 'upload'

export interface AskedObject {
  readonly oid: string
  /** As it was sent: a size only where `fault` is null. */
  readonly sizeBytes: number
  /** What is wrong with it; the others are answered all the same. */
  readonly fault: string | null
}

export interface BatchRequest {
  readonly operation: Operation
  readonly objects: readonly AskedObject[]
  /** `sha256` is the only one that there is; objects of another are answered with 409. */
  readonly hashAlgorithm: string
}

/** Also of a body that is no batch request. */
export function operationOf(body: unknown): Operation {
  return typeof body === 'object' && body !== null && 'operation' in body && body.operation === 'upload' ? 'upload' : 'download'
}

/** InputError 'invalid' (422), 'too-large' (413: too many objects). */
export function parseBatch(body: unknown): BatchRequest {
  const fields = fieldsOf(body)
  const { operation, objects, transfers } = fields
  if (operation !== 'download' && operation !== 'upload') throw invalid("operation must be 'download' or 'upload'")
  if (!Array.isArray(objects)) throw invalid('objects must be an array')
  if (objects.length > mostObjects) throw new InputError('too-large', `At most ${mostObjects} objects may be asked for at once`)
  if (transfers !== undefined && transfers !== null) {
    if (!Array.isArray(transfers)) throw invalid('transfers must be an array')
    if (transfers.length > 0 && !transfers.includes('basic')) throw invalid("the only transfer adapter here is 'basic'")
  }
  assertRef(fields)
  return { operation, objects: objects.map(parseObject), hashAlgorithm: optionalText(fields, 'hash_algo') ?? 'sha256' }
}

function parseObject(object: unknown): AskedObject {
  const { oid, size } = fieldsOf(object)
  if (typeof oid !== 'string') throw invalid('oid must be a string')
  if (typeof size !== 'number') throw invalid('size must be a number')
  return { oid: oid.slice(0, 200), sizeBytes: size, fault: faultOf(oid, size) }
}

function faultOf(oid: string, size: number): string | null {
  if (!/^[0-9a-f]{64}$/.test(oid)) return 'oid must be 64 hexadecimal digits in lower case'
  if (!Number.isSafeInteger(size) || size < 0) return 'size must be a whole number of bytes'
  return null
}

/** The body of `verify`: an object that should be there. InputError 'invalid'. */
export function parseVerify(body: unknown): { readonly oid: string; readonly sizeBytes: number } {
  const object = parseObject(fieldsOf(body))
  if (object.fault !== null) throw invalid(object.fault)
  return object
}
