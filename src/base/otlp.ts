// Sends spans to an OpenTelemetry collector: OTLP over HTTP, in JSON (opentelemetry-proto, trace/v1). In batches, beside the work; what a collector
// is too slow for, or doesn't take, is dropped and counted: nothing of the server waits for it.
import type { EndedSpan, SpanKind } from './tracing.ts'
import type { Log } from './log.ts'

export interface OtlpOptions {
  /** `http://127.0.0.1:4318`; `/v1/traces` comes behind it. */
  readonly endpoint: string
  /** `service.name`, `service.version`, … */
  readonly resource: Readonly<Record<string, string>>
  readonly log: Log
  /** Default 2 s. */
  readonly everyMs?: number
}

const batchSpans = 512
const mostWaiting = 8192
const timeoutMs = 10_000
/** How often a collector that doesn't answer is told of in the log. */
const tellEveryMs = 60_000

export class OtlpExporter {
  readonly #options: OtlpOptions
  readonly #timer: NodeJS.Timeout
  #waiting: EndedSpan[] = []
  #sending: Promise<void> = Promise.resolve()
  #toldAt = Number.NEGATIVE_INFINITY
  #sent = 0
  #dropped = 0

  constructor(options: OtlpOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#flush(), options.everyMs ?? 2000).unref()
  }

  /** Spans that a collector took, and spans that were given up. */
  get counts(): { readonly sent: number; readonly dropped: number } {
    return { sent: this.#sent, dropped: this.#dropped }
  }

  readonly take = (span: EndedSpan): void => {
    if (this.#waiting.length >= mostWaiting) {
      this.#dropped++
      return
    }
    this.#waiting.push(span)
  }

  /** Sends what is left, once. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#flush()
    await this.#sending
  }

  #flush(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    this.#sending = this.#sending.then(async () => {
      for (let at = 0; at < waiting.length; at += batchSpans) await this.#send(waiting.slice(at, at + batchSpans))
    })
  }

  async #send(spans: readonly EndedSpan[]): Promise<void> {
    const { endpoint, resource, log } = this.#options
    try {
      const answer = await fetch(`${endpoint}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(traceRequest(spans, resource)),
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      })
      await answer.body?.cancel()
      if (!answer.ok) throw new Error(`the collector answered ${answer.status}`)
      this.#sent += spans.length
    } catch (error) {
      this.#dropped += spans.length
      if (performance.now() - this.#toldAt < tellEveryMs) return
      this.#toldAt = performance.now()
      log.warn({ reason: error instanceof Error ? error.message : String(error), dropped: this.#dropped }, 'traces could not be sent')
    }
  }
}

const kinds: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3 }

/** ExportTraceServiceRequest, as JSON has it: ids in hexadecimal, times in nanoseconds as text. */
export function traceRequest(spans: readonly EndedSpan[], resource: Readonly<Record<string, string>>) {
  return {
    resourceSpans: [
      { resource: { attributes: attributesOf(resource) }, scopeSpans: [{ scope: { name: 'stemma' }, spans: spans.map(spanJson) }] },
    ],
  }
}

function spanJson(span: EndedSpan) {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentId === null ? {} : { parentSpanId: span.parentId }),
    name: span.name,
    kind: kinds[span.kind],
    startTimeUnixNano: nanoseconds(span.startMs),
    endTimeUnixNano: nanoseconds(span.endMs),
    attributes: attributesOf(span.attributes),
    status: span.error === null ? {} : { code: 2, message: span.error },
  }
}

function attributesOf(values: Readonly<Record<string, string | number | boolean>>) {
  return Object.entries(values).map(([key, value]) => ({ key, value: valueOf(value) }))
}

function valueOf(value: string | number | boolean) {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}

function nanoseconds(ms: number): string {
  return (BigInt(Math.round(ms * 1000)) * 1000n).toString()
}
