// Fetches without a git client: curl for the price of serving alone, and a request of our own that stops at the first byte of the pack.
import { request as httpRequest } from 'node:http'
import { writeFileSync } from 'node:fs'
import { runProcess, type TempFolder } from '../tests/support/git.ts'
import { delimiter, flush, pkt } from '../tests/support/wire.ts'
import type { Contender } from './contenders.ts'

const headers = ['Content-Type: application/x-git-upload-pack-request', 'Git-Protocol: version=2']

/** A fetch command of protocol v2 in a file: what curl sends. */
export function writeFetch(folder: TempFolder, name: string, lines: readonly string[]): string {
  const file = folder.join(`${name}.pkt`)
  const options = ['thin-pack', 'no-progress', 'ofs-delta', ...lines, 'done'].map((line) => pkt(`${line}\n`))
  writeFileSync(file, Buffer.concat([pkt('command=fetch'), pkt('object-format=sha1'), delimiter, ...options, flush]))
  return file
}

/** `ls-refs` as git ls-remote asks it. */
export function writeLsRefs(folder: TempFolder, name: string): string {
  const file = folder.join(`${name}.pkt`)
  const options = ['peel', 'symrefs', 'unborn'].map((line) => pkt(`${line}\n`))
  writeFileSync(file, Buffer.concat([pkt('command=ls-refs'), pkt('object-format=sha1'), delimiter, ...options, flush]))
  return file
}

/** Sent by curl, the answer thrown away; its size. */
export async function post(contender: Contender, url: string, bodyFile: string): Promise<number> {
  const args = ['-sS', '--fail', '-o', '/dev/null', '-w', '%{size_download}', '--data-binary', `@${bodyFile}`]
  for (const header of [...headers, ...contender.headers]) args.push('-H', header)
  const result = await runProcess('curl', [...args, `${url}/git-upload-pack`], { timeoutMs: 600_000 })
  if (result.code !== 0) throw new Error(`curl: ${result.stderr}`)
  return Number(result.stdout)
}

/** Milliseconds until the first byte of the pack has come; then the connection is closed. */
export async function firstPackByte(contender: Contender, url: string, body: Buffer): Promise<number> {
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    const fields = Object.fromEntries(
      [...headers, ...contender.headers].map((header) => {
        const [name = '', ...value] = header.split(': ')
        return [name, value.join(': ')]
      }),
    )
    const request = httpRequest(`${url}/git-upload-pack`, { method: 'POST', headers: fields, agent: false })
    request.on('error', reject)
    request.on('response', (response) => {
      let seen = Buffer.alloc(0)
      response.on('data', (bytes: Buffer) => {
        seen = Buffer.concat([seen, bytes])
        if (!seen.includes('\u0001PACK', 0, 'latin1')) return
        resolve(performance.now() - startedAt)
        request.destroy()
      })
      response.on('error', () => {}) // we have closed it
      response.on('end', () => reject(new Error(`no pack in the answer: ${seen.subarray(0, 200).toString('latin1')}`)))
    })
    request.end(body)
  })
}
