// `stemma serve`: the server, from its start until a signal ends it.
import { type Log, makeLog } from '../base/index.ts'
import type { Config } from '../config.ts'
import { type Flags, print } from './usage.ts'

/** The server was told to stop while it started. */
class StopSignal extends Error {}

/** Resolves when requests are taken; the process ends when a signal tells it to. */
export async function runServe(config: Config, given: Flags): Promise<void> {
  const log = makeLog(config.log.level)
  const { startServer } = await import('../main.ts')
  const stopping = new AbortController()
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
    log.info({ signal }, 'stopping; a second signal stops at once')
    stopping.abort(new StopSignal(signal))
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  endOnUncaught(log)
  try {
    const server = await startServer({ config, log, showToken: showToken(given), signal: stopping.signal })
    print(`Stemma is ready at ${server.url}`)
    stopping.signal.addEventListener('abort', () => {
      void server.close().then(() => {
        log.info('stopped')
        process.exit(0)
      })
    })
  } catch (error) {
    if (!(error instanceof StopSignal)) throw error
    process.exit(0)
  }
}

function showToken({ data, config }: Flags): (secret: string) => void {
  const where = `${data === undefined ? '' : ` --data ${data}`}${config === undefined ? '' : ` --config ${config}`}`
  return (secret) => {
    print(`The administrator's token (account admin; shown only this once): ${secret}`)
    print(`Should it get lost, make another one: ./bin/stemma token create --account admin --name NAME${where}`)
  }
}

/** What nobody caught leaves the process in an unknown state: it ends, and the kernel tells the embedded PostgreSQL to stop. */
function endOnUncaught(log: Log): void {
  const end = (error: unknown): void => {
    log.fatal({ err: error }, 'an error that nothing caught')
    process.exit(1)
  }
  process.on('uncaughtException', end)
  process.on('unhandledRejection', end)
}
