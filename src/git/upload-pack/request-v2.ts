// The body of a POST to git-upload-pack in protocol version 2 (gitprotocol-v2(5)):
// command=… and capabilities, a delimiter, the command's arguments, flush.
import { InputError } from '../../base/index.ts'
import type { ObjectFormat } from '../format/object-id.ts'
import type { LsRefsRequest } from './ls-refs.ts'
import {
  assertSoundRequest,
  emptyRequest,
  type FetchRequest,
  type FetchRequestDraft,
  objectIdOf,
  type RequestLimits,
  splitWord,
  takeShallowLine,
} from './request.ts'
import { RequestLines } from './request-lines.ts'

export type CommandV2 =
  | { readonly command: 'ls-refs'; readonly request: LsRefsRequest }
  | { readonly command: 'fetch'; readonly request: FetchRequest }

/** As many prefixes as these, and git serves them all instead of choosing (ls-refs.c). */
const tooManyPrefixes = 65536

/** The command, or null when the body only ends the conversation. InputError with git's own words when it is malformed. */
export function parseRequestV2(body: Uint8Array, format: ObjectFormat, limits: RequestLimits): CommandV2 | null {
  const lines = new RequestLines(body, limits)
  const { command, more } = takeKeys(lines, format)
  if (command === null) return null
  const args: string[] = []
  if (more) {
    let line = lines.next()
    for (; line.type === 'line'; line = lines.next()) args.push(line.text)
    if (line.type !== 'flush') throw new InputError('bad-packet', `expected flush after ${command} arguments`)
  }
  return command === 'ls-refs' ? { command, request: lsRefsRequest(args) } : { command, request: fetchRequest(args, format) }
}

function takeKeys(lines: RequestLines, format: ObjectFormat): { command: 'ls-refs' | 'fetch' | null; more: boolean } {
  let command: 'ls-refs' | 'fetch' | null = null
  let clientFormat = 'sha1'
  let seen = false
  let line = lines.next()
  for (; line.type === 'line'; line = lines.next()) {
    seen = true
    const at = line.text.indexOf('=')
    const key = at < 0 ? line.text : line.text.slice(0, at)
    const value = at < 0 ? '' : line.text.slice(at + 1)
    if (key === 'command' && at >= 0) {
      if (command !== null) {
        throw new InputError('bad-request', `command '${value}' requested after already requesting command '${command}'`)
      }
      if (value !== 'ls-refs' && value !== 'fetch') throw new InputError('bad-request', `invalid command '${value}'`)
      command = value
    } else if (key === 'object-format' && at >= 0) {
      if (value !== 'sha1' && value !== 'sha256') throw new InputError('object-format', `unknown object format '${value}'`)
      clientFormat = value
    } else if (key !== 'agent' && key !== 'server-option') {
      throw new InputError('bad-request', `unknown capability '${line.text}'`)
    }
  }
  if (line.type === 'end' && !seen) return { command: null, more: false }
  if (line.type === 'end') throw new InputError('pkt-truncated', 'the remote end hung up unexpectedly')
  if (!seen && line.type === 'flush') return { command: null, more: false }
  if (command === null) throw new InputError('bad-request', 'no command requested')
  if (clientFormat !== format) {
    throw new InputError('object-format', `mismatched object format: server ${format}; client ${clientFormat}`)
  }
  return { command, more: line.type === 'delim' }
}

function lsRefsRequest(args: readonly string[]): LsRefsRequest {
  const prefixes: string[] = []
  const request = { peel: false, symrefs: false, unborn: false, prefixes }
  for (const arg of args) {
    if (arg === 'peel') request.peel = true
    else if (arg === 'symrefs') request.symrefs = true
    else if (arg === 'unborn') request.unborn = true
    else if (arg.startsWith('ref-prefix ')) prefixes.push(arg.slice('ref-prefix '.length))
    else throw new InputError('bad-request', `unexpected line: '${arg}'`)
  }
  return prefixes.length >= tooManyPrefixes ? { ...request, prefixes: [] } : request
}

function fetchRequest(args: readonly string[], format: ObjectFormat): FetchRequest {
  const draft = emptyRequest(2)
  for (const arg of args) takeFetchArgument(draft, arg, format)
  assertSoundRequest(draft)
  return draft
}

function takeFetchArgument(draft: FetchRequestDraft, arg: string, format: ObjectFormat): void {
  if (takeShallowLine(draft, arg, format)) return
  const [word, rest] = splitWord(arg)
  if (word === 'want') draft.wants.push(objectIdOf(rest, format, `git upload-pack: protocol error, expected to get oid, not '${arg}'`))
  else if (word === 'have') draft.negotiation.push(objectIdOf(rest, format, `git upload-pack: expected SHA1 object, got '${rest}'`))
  else if (arg === 'done') draft.negotiation.push('done')
  else if (arg === 'thin-pack') draft.thinPack = true
  else if (arg === 'ofs-delta') draft.ofsDelta = true
  else if (arg === 'no-progress') draft.noProgress = true
  else if (arg === 'include-tag') draft.includeTag = true
  else if (arg === 'wait-for-done') draft.waitForDone = true
  else if (arg === 'deepen-relative') draft.deepenRelative = true
  else throw new InputError('bad-request', `unexpected line: '${arg}'`)
}
