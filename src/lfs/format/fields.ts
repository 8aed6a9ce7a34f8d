// Fields of JSON bodies that clients sent: taken when they have the right type, else InputError 'invalid' (422) that names the field.
import { InputError } from '../../base/index.ts'

export type Fields = Readonly<Record<string, unknown>>

export function fieldsOf(body: unknown): Fields {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid('the body must be a JSON object')
  return body as Fields
}

/** Null where it is missing, null or empty: clients send all three for "nothing". */
export function optionalText(fields: Fields, name: string): string | null {
  const value = fields[name] ?? null
  if (value === null || value === '') return null
  if (typeof value !== 'string') throw invalid(`${name} must be a string`)
  return value
}

/** `ref`: which ref the request is for. Pushes are allowed for a whole repository here, so nothing depends on it; only its form is checked. */
export function assertRef(fields: Fields): void {
  const ref = fields.ref ?? null
  if (ref !== null) optionalText(fieldsOf(ref), 'name')
}

export function invalid(message: string): InputError {
  return new InputError('invalid', message)
}
