// One server on one data folder. The lock is a socket in Linux's abstract namespace, named after the folder's inode: the kernel gives it to
// one process at a time and frees it when that process ends, however it ends. Whoever asks it is told the holder's process id.
// It reaches as far as the network namespace: two containers that mount one data folder are not kept apart.
import type { BigIntStats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { type Server, connect, createServer } from 'node:net'
import { resolve } from 'node:path'
import { UnavailableError, isSystemError, makeFolders } from '../base/index.ts'

export interface FolderLock {
  release(): Promise<void>
}

/** Makes the folder where it is missing, and takes it. UnavailableError 'folder-in-use' names the process that has it. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await makeFolder(folder)
  const { dev, ino } = await statFolder(folder)
  const path = `\0stemma-data-${dev}-${ino}`
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end(String(process.pid))
  })
  try {
    await listen(server, path)
  } catch (error) {
    if (!isSystemError(error, 'EADDRINUSE')) throw error
    const holder = await askHolder(path)
    throw new UnavailableError(
      'folder-in-use',
      `another Stemma (process ${holder}) runs on the data folder ${folder}; wait for it if it is a command, stop it if it is a server, or give this one its own --data`,
    )
  }
  server.unref()
  return { release: () => new Promise((done) => server.close(() => done())) }
}

/**
 * Root's folder may be passed through (not listed) by others, since PostgreSQL then runs as another user below it; everything in it is
 * private by itself.
 */
async function makeFolder(folder: string): Promise<void> {
  try {
    await makeFolders(resolve(folder), process.geteuid?.() === 0 ? 0o711 : 0o700)
  } catch (cause) {
    throw new UnavailableError(
      'data-folder',
      `the data folder ${folder} cannot be made: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
}

async function statFolder(folder: string): Promise<BigIntStats> {
  const found = await stat(folder, { bigint: true })
  if (!found.isDirectory()) throw new UnavailableError('data-folder', `the data folder ${folder} is not a folder`)
  return found
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path }, resolve)
  })
}

function askHolder(path: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect({ path, timeout: 1000 })
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
    })
    socket.on('timeout', () => socket.destroy())
    socket.on('error', () => {})
    socket.on('close', () => resolve(/^\d+$/.test(answer) ? answer : 'unknown'))
  })
}
