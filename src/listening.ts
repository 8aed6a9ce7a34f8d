// A place to listen on that can't be had: one sentence for the operator, which names the setting.
import { isSystemError, UnavailableError } from './base/index.ts'
import type { ListenAddress } from './config.ts'

/** What `listen` gives. UnavailableError 'listen': the port is taken, or the host isn't ours. @param advice which setting says where this is */
export async function listenOn<T>({ host, port }: ListenAddress, advice: string, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen()
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause
    const place = `${host.includes(':') ? `[${host}]` : host}:${port}`
    const what = isSystemError(cause, 'EADDRINUSE') ? `${place} is taken` : `cannot listen on ${place} (${cause.message})`
    throw new UnavailableError('listen', `${what}: ${advice}`, { cause })
  }
}
