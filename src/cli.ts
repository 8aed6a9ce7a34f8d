// The operator's command, as bin/stemma runs it. Standard output is for answers (the URL, a token, a list), standard error for the log and
// for errors. Exit codes: 0 done, 1 it failed, 2 the command line or the configuration is wrong.
import { CorruptError, InputError, UnavailableError } from './base/index.ts'
import { runCommand, UsageError } from './cli/index.ts'

try {
  await runCommand(process.argv.slice(2))
} catch (error) {
  const isExpected = error instanceof UsageError || error instanceof InputError || error instanceof UnavailableError
  const isUsage = error instanceof UsageError || (error instanceof InputError && error.code === 'config')
  if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number') {
    process.stderr.write(`stemma: ${error.message}\n`)
    process.exit(error.exitCode)
  }
  if (error instanceof CorruptError && error.code !== 'backup') {
    process.stderr.write(`stemma: ${error.message}; what is stored is damaged: 'stemma fsck' says what depends on it, and what to do\n`)
    process.exit(1)
  }
  process.stderr.write(`stemma: ${isExpected ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(isUsage ? 2 : 1)
}
