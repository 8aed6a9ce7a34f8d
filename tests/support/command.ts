// Runs the operator's command (bin/stemma) beside a test's server, or starts it so that it can be killed.
import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { type GitResult, runProcess } from './git.ts'

const command = resolve(import.meta.dirname, '../../bin/stemma')

function environment(more: Readonly<Record<string, string>>): Record<string, string> {
  const own = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: '/nonexistent', STEMMA_LOG_LEVEL: 'error' }
  return { ...own, STEMMA_OUTBOUND_ALLOW_PRIVATE: '127.0.0.0/8', ...more }
}

/** Runs it to its end; any exit code is a result. */
export function stemma(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<GitResult> {
  return runProcess(command, args, { env: environment(env), mayFail: true, timeoutMs: 120_000 })
}

/** Starts it; `said` grows with what it prints on both streams. */
export function startStemma(args: readonly string[]): { readonly child: ChildProcess; said(): string } {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], { env: environment({}), stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { child, said: () => text }
}
