// Answers that are functions of commits alone, kept as the bytes that go out: a commit with what it changed never becomes another one, and to work a large one
// out again takes longer than everything else about the request.
// Invariant: an answer is found only by whoever was shown, in the same request, that he may see the commits that it is made of; and nothing but objects,
// the repository's name, where it was reached, and whose signatures are (by the number that grows with keys and addresses) goes into one.
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isUnchanged } from './repository-call.ts'

export interface MadeAnswer {
  readonly bytes: Buffer
  /** How much there is on all pages; null: there is one. */
  readonly total: number | null
  /** False: time alone may make it another one (a key expires); then nobody keeps it. */
  readonly isLasting: boolean
}

type Make = () => Promise<{ readonly document: unknown; readonly total?: number; readonly isLasting?: boolean }>

/** What keeping one costs beside its bytes. */
const overheadBytes = 300
/** One may take such a part of the whole. */
const largestPart = 8

export class MadeAnswers {
  readonly #limitBytes: number
  /** In the order of use. */
  readonly #kept = new Map<string, MadeAnswer>()
  readonly #underWay = new Map<string, Promise<MadeAnswer>>()
  #heldBytes = 0

  constructor(limitBytes = 64 << 20) {
    this.#limitBytes = limitBytes
  }

  /** The answer as it was made before, or is being made for somebody else; or what `make` makes. What that throws is thrown to all who wait for it. */
  async get(key: string, make: Make): Promise<MadeAnswer> {
    const known = this.#kept.get(key)
    if (known) {
      this.#kept.delete(key)
      this.#kept.set(key, known)
      return known
    }
    const pending = this.#underWay.get(key)
    if (pending) return await pending
    const making = make().then(({ document, total = null, isLasting = true }) => ({
      bytes: Buffer.from(JSON.stringify(document)),
      total,
      isLasting,
    }))
    this.#underWay.set(key, making)
    try {
      const made = await making
      if (made.isLasting) this.#keep(key, made)
      return made
    } finally {
      this.#underWay.delete(key)
    }
  }

  #keep(key: string, made: MadeAnswer): void {
    const cost = ({ bytes }: MadeAnswer) => bytes.length + overheadBytes
    if (cost(made) > this.#limitBytes / largestPart) return
    this.#kept.set(key, made)
    this.#heldBytes += cost(made)
    for (const [oldest, entry] of this.#kept) {
      if (this.#heldBytes <= this.#limitBytes) break
      this.#kept.delete(oldest)
      this.#heldBytes -= cost(entry)
    }
  }
}

/**
 * Sends it, or 304 to whoever has it.
 * @param parts all that it depends on; the repository's URL among them
 * @param page told of how much there is
 */
export async function sendMade(
  answers: MadeAnswers,
  request: FastifyRequest,
  reply: FastifyReply,
  parts: readonly (string | number)[],
  make: Make,
  page: (total: number) => void = () => {},
): Promise<never> {
  const key = JSON.stringify(parts)
  if (isUnchanged(request, reply, createHash('sha256').update(key).digest('base64url'))) return (await reply.code(304).send()) as never
  try {
    const { bytes, isLasting, total } = await answers.get(key, make)
    if (!isLasting) reply.removeHeader('etag')
    if (total !== null) page(total)
    return reply.type('application/json; charset=utf-8').send(bytes) as never
  } catch (error) {
    reply.removeHeader('etag') // of another answer than the one that he gets
    throw error
  }
}
