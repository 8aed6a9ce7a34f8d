// What receive-pack answers (gitprotocol-pack(5), Report Status): `unpack ok` or why not, then `ok ref` or `ng ref reason` for each
// command;
// in version 2, `option` lines say what was really done. A flush ends it.
import { asBuffer, concatBytes, InputError } from '../../base/index.ts'
import { type ObjectId } from './object-id.ts'
import { decodePkt, encodePkt, flushPkt, MAX_PKT_DATA_BYTES, withoutNewline } from './pkt-line.ts'

/** What happened to one command. */
export interface RefResult {
  /** The name as the command had it (bytes where it isn't UTF-8). */
  readonly ref: string | Uint8Array
  /** Why not; null when it was done. */
  readonly error: string | null
  /** Version 2 only, for what was done otherwise than asked. */
  readonly refname?: string
  readonly oldId?: ObjectId
  readonly newId?: ObjectId
  readonly isForced?: boolean
}

export interface ReportStatus {
  /** Why the pack wasn't taken; null when it was. */
  readonly unpackError: string | null
  readonly results: readonly RefResult[]
}

/** The report as pkt-lines with the flush (to be sent in band 1 where sidebands are on). Reasons are cut to one line that fits. */
export function encodeReportStatus(report: ReportStatus, version: 1 | 2): Uint8Array {
  const parts = [encodePkt(`unpack ${oneLine(report.unpackError ?? 'ok')}\n`)]
  for (const result of report.results) {
    const ref = typeof result.ref === 'string' ? Buffer.from(result.ref) : result.ref
    if (result.error !== null) {
      parts.push(encodePkt(concatBytes([Buffer.from('ng '), ref, Buffer.from(` ${oneLine(result.error)}\n`)])))
      continue
    }
    parts.push(encodePkt(concatBytes([Buffer.from('ok '), ref, Buffer.from('\n')])))
    if (version === 2) parts.push(...optionLines(result).map((line) => encodePkt(`option ${line}\n`)))
  }
  parts.push(flushPkt)
  return concatBytes(parts)
}

function optionLines({ refname, oldId, newId, isForced }: RefResult): string[] {
  const lines: string[] = []
  if (refname !== undefined) lines.push(`refname ${refname}`)
  if (oldId !== undefined) lines.push(`old-oid ${oldId}`)
  if (newId !== undefined) lines.push(`new-oid ${newId}`)
  if (isForced === true) lines.push('forced-update')
  return lines
}

/** A reason of at most 4,096 characters on one line: with the longest ref name taken it always fits a pkt-line. */
function oneLine(text: string): string {
  const flat = text.replaceAll(/\s+/g, ' ').trim()
  return flat.slice(0, Math.min(4096, MAX_PKT_DATA_BYTES)) || 'unknown'
}

/** Reads a report back, as a client does (`ref` always as text). InputError `report-status`, or the faults of pkt-lines. */
export function decodeReportStatus(bytes: Uint8Array): ReportStatus {
  const lines: string[] = []
  for (let at = 0; ; ) {
    const decoded = decodePkt(bytes, at)
    if (decoded === null) throw new InputError('report-status', 'the report ends without a flush')
    if (decoded.pkt.type !== 'data') break
    lines.push(asBuffer(withoutNewline(decoded.pkt.data)).toString())
    at = decoded.end
  }
  const unpack = /^unpack ([^]+)$/.exec(lines[0] ?? '')?.[1]
  if (unpack === undefined) throw new InputError('report-status', 'the report does not begin with what became of the pack')
  const results: RefResult[] = []
  for (const line of lines.slice(1)) {
    const option = /^option ([a-z-]+)(?: ([^]*))?$/.exec(line)
    const last = results.pop()
    if (option === null) results.push(...(last === undefined ? [] : [last]), parseResult(line))
    else if (last === undefined) throw new InputError('report-status', 'an option stands before any ref')
    else results.push(withOption(last, option[1] ?? '', option[2] ?? ''))
  }
  return { unpackError: unpack === 'ok' ? null : unpack, results }
}

function parseResult(line: string): RefResult {
  const [, verdict, ref, reason] = /^(ok|ng) ([^ ]+)(?: ([^]*))?$/.exec(line) ?? []
  if (ref === undefined) throw new InputError('report-status', 'a line says neither ok nor ng')
  return { ref, error: verdict === 'ok' ? null : (reason ?? 'failed') }
}

function withOption(result: RefResult, name: string, value: string): RefResult {
  if (name === 'refname') return { ...result, refname: value }
  if (name === 'old-oid') return { ...result, oldId: value as ObjectId }
  if (name === 'new-oid') return { ...result, newId: value as ObjectId }
  return name === 'forced-update' ? { ...result, isForced: true } : result
}
