// What is noted of every request: figures, a span, and in whose name log lines below it are written. Nothing that a client sends is trusted: its trace
// id is taken by form alone, its X-Request-Id is kept beside ours, bounded.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Socket } from 'node:net'
import { type Activity, parseTraceparent, runIn, type Tracer } from '../base/index.ts'

/** How a request ended. */
export interface Answered {
  readonly method: string
  /** As it was declared, `/api/v3/repos/:owner/:repo`; `none` where there is no such route. */
  readonly route: string
  /** 499: the client went before it had the answer. */
  readonly status: number
  readonly seconds: number
  /** On the connection, headers included. */
  readonly receivedBytes: number
  readonly sentBytes: number
}

export interface HttpObserver {
  begun(): void
  answered(answered: Answered): void
}

export interface Observing {
  readonly observer?: HttpObserver | undefined
  readonly tracer?: Tracer | undefined
}

const clientGone = 499
const activities = new WeakMap<FastifyRequest, Activity>()
/** What of a connection's bytes belonged to requests before. */
const counted = new WeakMap<Socket, { read: number; written: number }>()

/** Runs the function in the name of the request: for what Fastify calls outside of its chain. */
export function inRequest<T>(request: FastifyRequest, run: () => T): T {
  const activity = activities.get(request)
  return activity === undefined ? run() : runIn(activity, run)
}

/** As the client names its request: for the log, where it stands beside our own id. Undefined: it gives none, or one that could forge a line. */
export function clientRequestId(request: FastifyRequest): string | undefined {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && /^[\w.:/+=@-]{1,128}$/.test(given) ? given : undefined
}

/** The first hook of all. */
export function observeRequests(app: Pick<FastifyInstance, 'addHook'>, { observer, tracer }: Observing): void {
  app.addHook('onRequest', (request, reply, done) => {
    const parent = parseTraceparent(request.headers.traceparent)
    const span = tracer?.start(`${request.method} ${routeOf(request)}`, 'server', parent)
    const traceId = span?.traceId ?? parent?.traceId
    const activity: Activity = { requestId: request.id, ...(traceId === undefined ? {} : { traceId }), ...(span ? { span } : {}) }
    activities.set(request, activity)
    if (observer !== undefined || span !== undefined) {
      observer?.begun()
      reply.raw.once('close', () => {
        const answered = answeredOf(request, reply)
        observer?.answered(answered)
        span?.set({
          'http.request.method': answered.method,
          'http.route': answered.route,
          'http.response.status_code': answered.status,
          'stemma.request_id': request.id,
        })
        span?.end(answered.status >= 500 ? `answered ${answered.status}` : undefined)
      })
    }
    runIn(activity, done)
  })
  // a body's last bytes arrive in the connection's name, and what follows would be in nobody's
  app.addHook('preValidation', (request, _reply, done) => inRequest(request, done))
}

function answeredOf(request: FastifyRequest, reply: FastifyReply): Answered {
  const isWhole = reply.raw.writableFinished
  const { socket } = request.raw
  const before = counted.get(socket) ?? { read: 0, written: 0 }
  const now = { read: socket.bytesRead ?? 0, written: socket.bytesWritten ?? 0 }
  counted.set(socket, now)
  return {
    method: request.method,
    route: routeOf(request),
    status: isWhole ? reply.raw.statusCode : clientGone,
    seconds: reply.elapsedTime / 1000,
    receivedBytes: now.read - before.read,
    sentBytes: now.written - before.written,
  }
}

function routeOf(request: FastifyRequest): string {
  return request.is404 ? 'none' : (request.routeOptions.url ?? 'none')
}
