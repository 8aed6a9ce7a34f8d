// Protocol version 2 by hand, for requests that the installed git doesn't send.
// Written apart from src/git on purpose: a second opinion (gitprotocol-v2(5)).
import { delimiter, flush, pkt, readPkts, send } from './wire.ts'

export interface CommandOptions {
  /** Lines before the delimiter: `server-option=x`. */
  readonly keys?: readonly string[]
  readonly version?: 0 | 1 | 2
}

/** POSTs a command with its arguments to `/OWNER/NAME.git/git-upload-pack`; the answer's lines, specials as '0000' and so on. */
export async function command(
  url: string,
  name: string,
  args: readonly string[],
  { keys = [] }: CommandOptions = {},
): Promise<(Buffer | string)[]> {
  const lines = [pkt(`command=${name}`), ...keys.map((key) => pkt(key)), delimiter, ...args.map((arg) => pkt(arg)), flush]
  const answer = await post(url, Buffer.concat(lines), 'version=2')
  return readPkts(answer)
}

/** POSTs to git-upload-pack; the body of the answer. Throws when the status isn't 200. */
export async function post(url: string, body: Uint8Array, protocol = 'version=0'): Promise<Buffer> {
  const answer = await send(url, `${new URL(url).pathname}/git-upload-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-upload-pack-request', 'git-protocol': protocol },
    body,
  })
  if (answer.status !== 200) throw new Error(`git-upload-pack: ${answer.status} ${answer.body.toString()}`)
  return answer.body
}

/** What is advertised with protocol version 2: a line each. */
export async function capabilities(url: string): Promise<string[]> {
  const path = `${new URL(url).pathname}/info/refs?service=git-upload-pack`
  const answer = await send(url, path, { headers: { 'git-protocol': 'version=2' } })
  return textOf(readPkts(answer.body)).slice(0, -1)
}

/** Lines as text without their line ends. */
export function textOf(lines: readonly (Buffer | string)[]): string[] {
  return lines.map((line) => line.toString().replace(/\n$/, ''))
}

/** The sections of a fetch's answer by name, and the pack in the last. `framed`: with sideband-all. */
export function sectionsOf(lines: readonly (Buffer | string)[], framed = false): { sections: Map<string, string[]>; pack: Buffer } {
  const sections = new Map<string, string[]>()
  const pack: Buffer[] = []
  let open: string[] | null = null
  for (const line of lines) {
    if (typeof line === 'string') {
      open = null
      continue
    }
    if (sections.has('packfile')) {
      if (line[0] === 1) pack.push(line.subarray(1))
      if (line[0] === 3) sections.set('error', [line.subarray(1).toString()])
      continue
    }
    if (framed && line[0] !== 1) {
      sections.set(line[0] === 3 ? 'error' : 'progress', [line.subarray(1).toString()])
      continue
    }
    const text = (framed ? line.subarray(1) : line).toString().replace(/\n$/, '')
    if (text.startsWith('ERR ')) sections.set('error', [text.slice(4)])
    else if (open) open.push(text)
    else sections.set(text, (open = []))
  }
  return { sections, pack: Buffer.concat(pack) }
}

/** What the server says instead of an answer; '' when it answers. */
export function refusalOf(lines: readonly (Buffer | string)[]): string {
  return sectionsOf(lines).sections.get('error')?.[0] ?? ''
}
