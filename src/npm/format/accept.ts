// What form of a document a client wants, and in which coding (RFC 9110 §12.5.1, §12.5.3).

/** `abbreviated` has what installing needs (npm/registry, docs/responses/package-metadata.md). */
export type PackumentForm = 'full' | 'abbreviated'

export const abbreviatedType = 'application/vnd.npm.install-v1+json'

export type Coding = 'identity' | 'gzip' | 'br'

/** Abbreviated where the client names that form, and doesn't rather have the other. */
export function formWanted(accept: string | undefined): PackumentForm {
  if (accept === undefined || !accept.toLowerCase().includes(abbreviatedType)) return 'full'
  const weights = weightsOf(accept)
  const abbreviated = weights.get(abbreviatedType) ?? 0
  return abbreviated > 0 && abbreviated >= (weights.get('application/json') ?? 0) ? 'abbreviated' : 'full'
}

/** The smallest that the client takes: what is sent is packed once and sent often. Without a word of his, as it is. */
export function codingWanted(acceptEncoding: string | undefined): Coding {
  if (acceptEncoding === undefined) return 'identity'
  const weights = weightsOf(acceptEncoding)
  const any = weights.get('*') ?? 0
  const [br, gzip] = [weights.get('br') ?? any, weights.get('gzip') ?? weights.get('x-gzip') ?? any]
  const identity = weights.get('identity') ?? 0
  if (br > 0 && br >= gzip && br >= identity) return 'br'
  return gzip > 0 && gzip >= identity ? 'gzip' : 'identity'
}

/** Of each thing that is named, in small letters: 0 … 1. Its other parameters are passed over. */
function weightsOf(header: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>()
  for (const part of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';')
    const q = parameters.map((one) => /^\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*$/.exec(one)?.[1]).find((one) => one !== undefined)
    weights.set(name.trim(), q === undefined ? 1 : Number(q))
  }
  return weights
}
