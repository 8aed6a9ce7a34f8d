// Small bodies: JSON, gzipped or not, read whole within a limit. What is published is read as it comes instead (publish/).
import type { FastifyRequest } from 'fastify'
import { InputError } from '../../base/index.ts'
import { requestBody } from '../../http/index.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** InputError `bad-json`: it is none, or no object; `too-large`, as sent and unpacked. Members called `__proto__` are dropped. */
export async function readObject(request: FastifyRequest, limitBytes: number): Promise<JsonObject> {
  const value = await readJson(request, limitBytes)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw new InputError('bad-json', 'The body must be a JSON object')
}

/** The same for any value; undefined: there is no body. */
export async function readJson(request: FastifyRequest, limitBytes: number): Promise<unknown> {
  const chunks: Uint8Array[] = []
  for await (const chunk of requestBody(request, { limitBytes })) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('utf8')
  if (text === '') return undefined
  try {
    return JSON.parse(text, (name, value: unknown) => (name === '__proto__' ? undefined : value))
  } catch (error) {
    throw new InputError('bad-json', 'The body is no JSON', { cause: error })
  }
}

/** A member that is a text; null: it isn't there, or is null. InputError `bad-json`. */
export function textIn(object: JsonObject, name: string, longest = 1024): string | null {
  const value = object[name] ?? null
  if (value === null || (typeof value === 'string' && value.length <= longest)) return value
  throw new InputError('bad-json', `'${name}' must be a text of at most ${longest} characters`)
}

/** A member that is a list of texts; empty: it isn't there. InputError `bad-json`. */
export function textsIn(object: JsonObject, name: string, most = 100): readonly string[] {
  const value = object[name] ?? []
  const list = typeof value === 'string' ? [value] : value
  if (Array.isArray(list) && list.length <= most && list.every((one) => typeof one === 'string' && one.length <= 1024)) return list
  throw new InputError('bad-json', `'${name}' must be a list of at most ${most} texts`)
}
