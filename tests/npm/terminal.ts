// A client at a terminal: what it asks is answered as it is asked.
import { spawn } from 'node:child_process'

/** What is waited for on the screen, and what is typed then (a line), or a function that is told what the pattern found and types nothing. */
export type Exchange = readonly [asked: RegExp, answer: string | ((found: string) => Promise<void>)]

export interface Screen {
  readonly code: number | null
  readonly text: string
}

/** Runs it below `script`, which gives it a terminal, until it ends. Throws when it outlives its time. */
export async function atTerminal(
  command: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>>; readonly timeoutMs?: number },
  exchanges: readonly Exchange[],
): Promise<Screen> {
  const line = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  const child = spawn('script', ['-qefc', line, '/dev/null'], { cwd: options.cwd, env: { ...options.env, TERM: 'dumb', SHELL: '/bin/sh' } })
  const left = [...exchanges]
  let text = ''
  let seen = 0
  let failure: unknown = null
  const end = (error: unknown) => {
    failure ??= error
    child.kill('SIGKILL')
  }
  const timer = setTimeout(() => end(new Error('it did not end in time')), options.timeoutMs ?? 60_000)
  const look = () => {
    const [next] = left
    const found = next?.[0].exec(plain(text.slice(seen)))
    if (next === undefined || !found) return
    left.shift()
    seen = text.length
    const [, answer] = next
    if (typeof answer === 'string') child.stdin.write(`${answer}\r`)
    else answer(found[1] ?? found[0]).catch(end)
  }
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    look()
  })
  child.stderr.on('data', (chunk: Buffer) => void (text += chunk.toString()))
  child.stdin.on('error', () => {})
  const code = await new Promise<number | null>((done, fail) => void child.once('close', done).once('error', fail))
  clearTimeout(timer)
  if (failure !== null) throw new Error(`${line}:\n${plain(text)}`, { cause: failure })
  return { code, text: plain(text) }
}

/** Without the terminal's control sequences. */
function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex -- that is what they are
  return text.replaceAll(/\u001B\[[0-9;?]*[A-Za-z]/g, '')
}
