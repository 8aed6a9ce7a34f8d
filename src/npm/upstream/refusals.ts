// What clients are told when an upstream failed and nothing is here. Where the upstream lies, and what it said, is the operator's business.
import { Refusal } from '../../http/index.ts'
import type { Failure } from '../../packages/index.ts'

export function refusalFor({ reason, retryAfterS }: Failure): Refusal {
  const headers = { 'retry-after': String(retryAfterS ?? 10) }
  if (reason === 'busy')
    return new Refusal(429, 'too-many-requests', 'The upstream of this package takes no more requests now', { headers })
  if (reason === 'unreachable') return new Refusal(503, 'unavailable', 'The upstream of this package does not answer', { headers })
  // registries say so of what there isn't, too
  if (reason === 'refused') return new Refusal(404, 'not-found', 'The upstream of this name has no such package, or shows it to others')
  if (reason === 'barred') {
    const words =
      'This server may not connect to where the upstream of this package is: its setting outbound.allowPrivate says where it may'
    return new Refusal(502, 'upstream', words)
  }
  return new Refusal(502, 'upstream', 'The upstream of this package answered with something else')
}

export function packageUnknown(): Refusal {
  return new Refusal(404, 'not-found', 'The upstream of this name has no such package')
}
