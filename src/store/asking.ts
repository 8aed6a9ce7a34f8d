// Questions over a MessagePort, each with its answer: from a worker's job to the main thread.
import type { MessagePort, Transferable } from 'node:worker_threads'
import { UnavailableError } from '../base/index.ts'

interface Question {
  readonly id: number
  readonly kind: string
  readonly payload: unknown
}

interface Answer {
  readonly id: number
  readonly payload: unknown
}

/** The worker's end. */
export class Asking {
  readonly #port: MessagePort
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #next = 0
  #isClosed = false

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', ({ id, payload }: Answer) => {
      this.#waiting.get(id)?.resolve(payload)
      this.#waiting.delete(id)
    })
    port.on('close', () => {
      this.#isClosed = true
      for (const waiting of this.#waiting.values()) waiting.reject(gone())
    })
  }

  /** UnavailableError 'worker' when nobody answers any more. */
  ask(kind: string, payload: unknown, transfer: readonly Transferable[] = []): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(gone())
    const answer = Promise.withResolvers<unknown>()
    const question: Question = { id: this.#next++, kind, payload }
    this.#waiting.set(question.id, answer)
    this.#port.postMessage(question, [...transfer])
    return answer.promise
  }

  close(): void {
    this.#port.close()
  }
}

/**
 * The main thread's end: answers each question by its kind. The first answer that fails is told through `failed`, and the port closes.
 * @returns ends it
 */
export function answerQuestions(
  port: MessagePort,
  answers: Readonly<Record<string, (payload: never) => Promise<unknown>>>,
  failed: (error: unknown) => void,
): () => void {
  port.on('message', ({ id, kind, payload }: Question) => {
    const answer = answers[kind]
    if (answer === undefined) throw new Error(`no such question: ${kind}`)
    answer(payload as never).then(
      (given) => port.postMessage({ id, payload: given } satisfies Answer),
      (error: unknown) => {
        failed(error)
        port.close()
      },
    )
  })
  return () => port.close()
}

function gone(): UnavailableError {
  return new UnavailableError('worker', 'the other end of a job has gone')
}
