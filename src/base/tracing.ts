// Spans: what took how long, as part of what. A tracer makes those that begin a trace or go on with a client's; everything below asks for a child of
// what is under way, and gets none where there is no tracer: that costs one look.
import type { Clock, Randomness } from './clock.ts'
import { hex } from './bytes.ts'
import { currentActivity, runIn } from './activity.ts'

export type SpanKind = 'internal' | 'server' | 'client'
export type Attributes = Readonly<Record<string, string | number | boolean>>

/** Where a trace comes from: W3C's `traceparent`. */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits. */
  readonly spanId: string
}

/** A span that has ended. Times in milliseconds since 1970, with fractions. */
export interface EndedSpan extends TraceParent {
  readonly parentId: string | null
  readonly name: string
  readonly kind: SpanKind
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Attributes
  /** One line; null: it went well. */
  readonly error: string | null
}

/** Takes spans as they end. Must not throw, and not take long. */
export type SpanSink = (span: EndedSpan) => void

const mostAttributes = 32
const longestText = 300

export class Span implements TraceParent {
  readonly traceId: string
  readonly spanId: string
  name: string
  readonly #tracer: TracerParts
  readonly #parentId: string | null
  readonly #kind: SpanKind
  readonly #startMs: number
  readonly #attributes: Record<string, string | number | boolean> = {}
  #isEnded = false

  constructor(tracer: TracerParts, name: string, kind: SpanKind, parent: TraceParent | null) {
    this.#tracer = tracer
    this.name = name
    this.#kind = kind
    this.traceId = parent?.traceId ?? hex(tracer.randomness.bytes(16))
    this.spanId = hex(tracer.randomness.bytes(8))
    this.#parentId = parent?.spanId ?? null
    this.#startMs = tracer.nowMs()
  }

  set(attributes: Attributes): void {
    for (const [name, value] of Object.entries(attributes)) {
      if (Object.keys(this.#attributes).length >= mostAttributes) return
      this.#attributes[name] = typeof value === 'string' ? value.slice(0, longestText) : value
    }
  }

  child(name: string, kind: SpanKind = 'internal'): Span {
    return new Span(this.#tracer, name, kind, this)
  }

  /** Once; more calls do nothing. */
  end(error?: unknown): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const words = error === undefined ? null : error instanceof Error ? error.message : String(error)
    this.#tracer.sink({
      traceId: this.traceId,
      spanId: this.spanId,
      parentId: this.#parentId,
      name: this.name,
      kind: this.#kind,
      startMs: this.#startMs,
      endMs: this.#tracer.nowMs(),
      attributes: this.#attributes,
      error: words === null ? null : words.slice(0, longestText),
    })
  }

  /** For who is called as part of it. */
  get traceparent(): string {
    return `00-${this.traceId}-${this.spanId}-01`
  }
}

interface TracerParts {
  readonly sink: SpanSink
  readonly randomness: Randomness
  nowMs(): number
}

export class Tracer {
  readonly #parts: TracerParts

  constructor({ sink, clock, randomness }: { readonly sink: SpanSink; readonly clock: Clock; readonly randomness: Randomness }) {
    const offsetMs = clock.now() - clock.monotonic() // spans have lengths that no change of the clock alters
    this.#parts = { sink, randomness, nowMs: () => offsetMs + clock.monotonic() }
  }

  /** @param parent null: a trace of its own */
  start(name: string, kind: SpanKind, parent: TraceParent | null = null): Span {
    return new Span(this.#parts, name, kind, parent)
  }

  /** Runs the function as a trace of its own; the span ends with it. */
  async run<T>(name: string, kind: SpanKind, run: (span: Span) => Promise<T>): Promise<T> {
    return await ended(this.start(name, kind), run)
  }
}

/** A child of what is under way; undefined where nothing is traced. Who begins it ends it. */
export function childSpan(name: string, kind?: SpanKind): Span | undefined {
  return currentActivity()?.span?.child(name, kind)
}

/** Runs the function within a child of what is under way. */
export async function inSpan<T>(name: string, run: () => Promise<T>): Promise<T> {
  const parent = currentActivity()?.span
  return parent === undefined ? await run() : await ended(parent.child(name), run)
}

async function ended<T>(span: Span, run: (span: Span) => Promise<T>): Promise<T> {
  const activity = { ...currentActivity(), traceId: span.traceId, span }
  try {
    const result = await runIn(activity, () => run(span))
    span.end()
    return result
  } catch (error) {
    span.end(error)
    throw error
  }
}

/** Null for what is no `traceparent` (W3C Trace Context, 3.2). */
export function parseTraceparent(header: unknown): TraceParent | null {
  const match = typeof header === 'string' ? /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/.exec(header) : null
  const [, version, traceId = '', spanId = '', more] = match ?? []
  if (match === null || version === 'ff' || (version === '00' && more !== undefined)) return null
  return /^0+$/.test(traceId) || /^0+$/.test(spanId) ? null : { traceId, spanId }
}
