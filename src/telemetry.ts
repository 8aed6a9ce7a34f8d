// What the server tells those who watch it: figures for Prometheus, traces for an OpenTelemetry collector. docs/design/operations.md.
import { type Log, Metrics, OtlpExporter, systemClock, systemRandomness, Tracer } from './base/index.ts'
import type { Config } from './config.ts'
import { type Counters, makeCounters } from './metrics.ts'
import { version } from './version.ts'

export interface Telemetry {
  readonly metrics: Metrics
  readonly counters: Counters
  /** Undefined: nothing is traced, and that costs nothing. */
  readonly tracer: Tracer | undefined
  readonly exporter: OtlpExporter | null
}

export function makeTelemetry(config: Config, log: Log): Telemetry {
  const metrics = new Metrics()
  const counters = makeCounters(metrics)
  const { endpoint } = config.otel
  if (endpoint === null) return { metrics, counters, tracer: undefined, exporter: null }
  const resource = { 'service.name': 'stemma', 'service.version': version, 'service.instance.id': systemRandomness.uuid() }
  const exporter = new OtlpExporter({ endpoint, resource, log })
  const tracer = new Tracer({ sink: exporter.take, clock: systemClock, randomness: systemRandomness })
  return { metrics, counters, tracer, exporter }
}
