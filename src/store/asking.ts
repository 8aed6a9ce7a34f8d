// Questions over a MessagePort, each with its answer: from a worker's job to the main thread.
import { MessageChannel, type MessagePort, type Transferable } from 'node:worker_threads'
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
 * The main thread's end, while the work runs that is given the worker's port: answers each question by its kind. An answer that fails ends the work;
 * its error is thrown, whatever the work makes of it.
 */
export async function answering<T>(
  answers: Readonly<Record<string, (payload: never) => Promise<unknown>>>,
  work: (asking: MessagePort) => Promise<T>,
): Promise<T> {
  const { port1: port, port2: asking } = new MessageChannel()
  const failures: unknown[] = []
  port.on('message', ({ id, kind, payload }: Question) => {
    const answer = answers[kind]
    if (answer === undefined) throw new Error(`no such question: ${kind}`)
    answer(payload as never).then(
      (given) => port.postMessage({ id, payload: given } satisfies Answer),
      (error: unknown) => {
        failures.push(error)
        port.close()
      },
    )
  })
  try {
    return await work(asking)
  } catch (error) {
    throw failures.length > 0 ? failures[0] : error
  } finally {
    port.close()
  }
}

function gone(): UnavailableError {
  return new UnavailableError('worker', 'the other end of a job has gone')
}
