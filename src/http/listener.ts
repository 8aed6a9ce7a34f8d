// The one listener. Rooms register their routes through `room`; each route declares who may use it, and the gate is asked before any
// handler runs. Invariants: no route without a declaration (start-up fails), no handler without a verdict, no path that could be read in
// two ways, no header or query string in the log.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fastify, {
  LogController,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type InjectOptions,
  type LightMyRequestResponse,
} from 'fastify'
import { inSpan, type Log, type Randomness, UnavailableError } from '../base/index.ts'
import { Connections } from './connections.ts'
import { admit, assertDeclared, type Door, type Gate, waitsForBody } from './gate.ts'
import { defaultHttpLimits, type HttpLimits } from './limits.ts'
import { clientRequestId, inRequest, type Observing, observeRequests } from './observing.ts'
import { assertHost, sentFrom } from './origin.ts'
import { assertPath } from './path.ts'
import { plainForm, type Problem, type ProblemForm, problemOf, Refusal } from './problem.ts'
import { rateHeaders, type RateKind, type RateLimits, tooMany } from './rate-limits.ts'
import { methodsAt, type RouteFacts } from './route-table.ts'
import { compileValidator, type TypeBoxProvider } from './validation.ts'

/** What a room registers its routes on. */
export type Routes = FastifyInstance<Server, IncomingMessage, ServerResponse, Log, TypeBoxProvider>

export interface ListenerOptions extends Observing {
  readonly gate: Gate
  readonly log: Log
  readonly randomness: Randomness
  readonly limits?: Partial<HttpLimits>
  /** How many requests callers may make; as many as they like without it. */
  readonly rates?: RateLimits
  /** Whose X-Forwarded-* headers count: addresses or networks of the proxies in front. */
  readonly trustProxy?: boolean | string | readonly string[]
}

export interface RoomOptions {
  /** Stands before every URL of the room. */
  readonly prefix?: string
  readonly form: ProblemForm
  /** Answer 401 instead of 404 to an anonymous caller, since the room's clients send credentials only when asked. */
  readonly challenge?: boolean
  /** `raw`: only these content types are taken, and the handler reads the stream itself (requestBody). `json`: whatever its type says. */
  readonly body: { readonly raw: RegExp } | 'json'
  /** What its requests count as; without it they aren't counted. `api`: answers say how many are left. */
  readonly rate?: RateKind
  /** Statuses of this room's InputError codes. */
  readonly statusOf?: Readonly<Record<string, number>>
}

export interface Listener {
  /** Registers a room. The callback runs before `ready` or `listen` resolve; what it throws, they throw. */
  room(options: RoomOptions, register: (routes: Routes) => void | Promise<void>): void
  /** Complete after `ready`. */
  readonly routes: readonly RouteFacts[]
  ready(): Promise<void>
  /** Resolves with the URL once connections are taken. */
  listen(address: { host: string; port: number }): Promise<string>
  /** A request without a socket: for tests. */
  inject(request: InjectOptions): Promise<LightMyRequestResponse>
  /** Takes no more connections, lets running requests end (at most `limits.drainMs`), closes idle ones. */
  close(): Promise<void>
}

/** The listener without any room yet. */
export function makeListener(options: ListenerOptions): Listener {
  const limits: HttpLimits = { ...defaultHttpLimits, ...options.limits }
  const rooms: RoomOptions[] = []
  const app = makeApp(options, limits, rooms)
  app.decorate('httpLimits', limits)
  const connections = new Connections(app.server, limits)
  const routes: RouteFacts[] = []
  for (const [name, value] of Object.entries(options.gate.properties)) app.decorateRequest(name, value)
  observeRequests(app as unknown as FastifyInstance, options)
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    assertHost(request)
    assertPath(request.raw.url ?? '', request.routeOptions.config?.encodedSlash === true)
  })
  app.addHook('onResponse', async (request, reply) => inRequest(request, () => logAnswer(request, reply, options.gate)))
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, plainForm, {}))
  app.setNotFoundHandler((request, reply) => sendNotFound(request, reply, routes, plainForm))
  return {
    routes,
    room: (room, register) => {
      rooms.push(room)
      app.register(
        async (scope) => {
          const roomRoutes = scope as unknown as Routes // the same instance; register's callback forgets the logger's type
          prepareRoom(roomRoutes, room, options, limits, routes)
          await register(roomRoutes)
        },
        { prefix: room.prefix ?? '' },
      )
    },
    ready: async () => {
      await app.ready()
    },
    listen: async (address) => app.listen(address),
    inject: async (request) => app.inject(request),
    close: async () => {
      const stop = connections.drain(() => options.log.warn('requests were cut off at the end of the drain'))
      try {
        await app.close()
      } finally {
        stop()
      }
    },
  }
}

function makeApp(options: ListenerOptions, limits: HttpLimits, rooms: readonly RoomOptions[]): Routes {
  const app = fastify({
    loggerInstance: options.log.child({}, { serializers: { req: requestFacts } }),
    childLoggerFactory: (log) => log, // the log itself says which request a line is about (activityFields)
    logController: new LogController({ disableRequestLogging: true }), // it would log whole URLs
    genReqId: () => options.randomness.uuid(),
    trustProxy: Array.isArray(options.trustProxy)
      ? [...options.trustProxy]
      : ((options.trustProxy as boolean | string | undefined) ?? false),
    bodyLimit: limits.jsonBodyBytes,
    forceCloseConnections: 'idle',
    http: { maxHeaderSize: limits.headerBytes, connectionsCheckingInterval: Math.min(5000, limits.headerTimeoutMs) },
    routerOptions: { maxParamLength: 512, caseSensitive: true },
    clientErrorHandler: answerMalformed,
    frameworkErrors: (error, request, reply) => {
      // a path that isn't even decoded leads to no room: whose it would be is told by how it begins
      const room = rooms.find(({ prefix }) => prefix && request.raw.url?.startsWith(`${prefix}/`))
      void sendProblem(error, request as FastifyRequest, reply as FastifyReply, room?.form ?? plainForm, room?.statusOf ?? {})
    },
  }).withTypeProvider<TypeBoxProvider>()
  app.setValidatorCompiler(compileValidator)
  // Answers are written as handlers give them; tests hold them to their schemas.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value))
  return app
}

function prepareRoom(scope: Routes, room: RoomOptions, { gate, rates }: ListenerOptions, limits: HttpLimits, routes: RouteFacts[]): void {
  const challenge = room.challenge ?? false
  scope.addHook('onRoute', (route) => {
    const access = route.config?.access
    assertDeclared(gate, route, access)
    for (const method of [route.method].flat()) {
      if (access !== undefined)
        routes.push({ method, url: route.url, access, schema: route.schema, challenge, isSigningIn: route.config?.isSigningIn === true })
    }
  })
  const doorOf = (request: FastifyRequest, reply: FastifyReply): Door => ({
    challenge,
    charge: (caller) => charge(rates, room.rate, request, reply, caller),
  })
  scope.addHook('onRequest', async (request, reply) => {
    if (!request.is404 && !waitsForBody(request)) await inSpan('gate', () => admit(gate, request, doorOf(request, reply)))
  })
  scope.addHook('preValidation', async (request, reply) => {
    if (!request.is404 && waitsForBody(request)) await inSpan('gate', () => admit(gate, request, doorOf(request, reply)))
  })
  scope.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, room.form, room.statusOf ?? {}))
  if (room.prefix) scope.setNotFoundHandler((request, reply) => sendNotFound(request, reply, routes, room.form))
  scope.removeAllContentTypeParsers()
  if (room.body !== 'json') {
    scope.addContentTypeParser(room.body.raw, (_request, _payload, done) => done(null))
    return
  }
  timeBodies(scope, limits.jsonBodyTimeoutMs)
  scope.addContentTypeParser('*', { parseAs: 'string' }, (request, text, done) => {
    try {
      done(null, text === '' ? undefined : parseJson(request, String(text)))
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)))
    }
  })
}

function charge(
  rates: RateLimits | undefined,
  kind: RateKind | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
  caller: string | null,
): void {
  if (rates === undefined || kind === undefined || request.routeOptions.config.isUncounted === true) return
  const charged = rates.charge(kind, request.method, caller, request.ip)
  if (charged === null) return
  if (kind === 'api') reply.headers(rateHeaders(charged.figures))
  if (!charged.isAllowed) throw tooMany(kind === 'api' ? 'API rate limit exceeded' : 'Too many requests', charged.waitMs)
}

function parseJson(request: FastifyRequest, text: string): unknown {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity')
    throw new Refusal(415, 'unsupported-encoding', `Content-Encoding '${encoding.slice(0, 40)}' is not supported here`)
  try {
    // `__proto__` as a member name is dropped: no handler expects it, and a careless copy of it would be an attack.
    return JSON.parse(text, (name, value: unknown) => (name === '__proto__' ? undefined : value))
  } catch {
    throw new Refusal(400, 'bad-json', 'Problems parsing JSON')
  }
}

// Fastify reads JSON bodies whole; this bounds the time that it waits for one.
function timeBodies(scope: Routes, timeoutMs: number): void {
  const timers = new WeakMap<FastifyRequest, NodeJS.Timeout>()
  const stop = async (request: FastifyRequest) => clearTimeout(timers.get(request))
  scope.addHook('preParsing', async (request, reply) => {
    const timer = setTimeout(() => {
      void reply.header('connection', 'close').send(new Refusal(408, 'slow-body', 'The request body arrived too slowly'))
    }, timeoutMs)
    timers.set(request, timer)
  })
  scope.addHook('preValidation', stop)
  scope.addHook('onResponse', stop)
}

function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  form: ProblemForm,
  statusOf: Readonly<Record<string, number>>,
) {
  const problem = problemOf(error, statusOf)
  if (problem.status >= 500) {
    const words = problem.alarm ? 'ALARM: stored data is wrong' : `answered ${problem.status}`
    const { code, alarm } = problem
    // whoever may ask may cause these as often as he likes: one line, and no alarm of an operator who watches for errors
    if (isNoFault(error)) inRequest(request, () => request.log.warn({ code, reason: error.message }, words))
    else inRequest(request, () => request.log.error({ err: error, code, alarm }, words))
  }
  return send(problem, request, reply, form)
}

/** A refusal, or the end of work whose caller has left. */
function isNoFault(error: unknown): error is Refusal | UnavailableError {
  return error instanceof Refusal || (error instanceof UnavailableError && error.code === 'aborted')
}

function send(problem: Problem, request: FastifyRequest, reply: FastifyReply, form: ProblemForm) {
  const { type, body, headers = {} } = form(problem, request)
  return reply.code(problem.status).headers(problem.headers).headers(headers).type(type).serializer(String).send(body)
}

// OPTIONS and wrong methods say what the path takes; that is the same for everybody, so it tells nothing about what exists.
function sendNotFound(request: FastifyRequest, reply: FastifyReply, routes: readonly RouteFacts[], form: ProblemForm) {
  const methods = methodsAt(routes, (request.raw.url ?? '').replace(/\?.*$/s, ''))
  if (methods.length === 0) return sendProblem(new Refusal(404, 'not-found', 'Not Found'), request, reply, form, {})
  const allow = [...methods, 'OPTIONS'].join(', ')
  if (request.method === 'OPTIONS') return reply.code(204).header('allow', allow).send()
  const refusal = new Refusal(405, 'wrong-method', `This path takes ${allow}`, { headers: { allow } })
  return sendProblem(refusal, request, reply, form, {})
}

// The path only: a query string may hold what its sender thinks secret, and headers hold tokens.
function logAnswer(request: FastifyRequest, reply: FastifyReply, gate: Gate): void {
  const who = { ip: sentFrom(request), account: gate.nameOf(request) }
  const facts = { ...requestFacts(request), status: reply.statusCode, ms: Math.round(reply.elapsedTime), ...who }
  const clientId = clientRequestId(request)
  request.log.info(clientId === undefined ? facts : { ...facts, clientRequestId: clientId }, 'answered')
}

function requestFacts(request: { readonly method?: string | undefined; readonly url?: string | undefined }) {
  // npm's clients name the token that they give back in the path
  const path = (request.url ?? '').replace(/\?.*$/s, '').replaceAll(/stm_[0-9a-f]+/gi, 'stm_…')
  return { method: request.method, path: path.slice(0, 500) }
}

// What isn't HTTP never becomes a request.
function answerMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, reason] = malformedStatus(error.code)
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${reason.length + 1}\r\nConnection: close\r\n\r\n${reason}\n`,
  )
}

function malformedStatus(code: string | undefined): [number, string] {
  if (code === 'HPE_HEADER_OVERFLOW') return [431, 'Request Header Fields Too Large']
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'Request Timeout']
  return [400, 'Bad Request']
}
