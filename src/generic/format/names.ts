// What packages, versions and files are called: what stands in a URL and in a folder as it is, on every system.
import { InputError } from '../../base/index.ts'

export interface FilePlace {
  readonly version: string
  readonly file: string
}

const patterns = {
  package: /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
  version: /^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$/,
  file: /^[A-Za-z0-9_][A-Za-z0-9._+~@-]{0,254}$/,
} as const

type NameKind = keyof typeof patterns

export function isName(kind: NameKind, text: string): boolean {
  return patterns[kind].test(text) && !text.includes('..')
}

/** InputError 'bad-name'. */
export function assertName(kind: NameKind, text: string): string {
  if (isName(kind, text)) return text
  throw new InputError('bad-name', `The name of a ${kind} matches ${patterns[kind].source}, with no two dots together`)
}

/** Spellings that differ in case are one version. */
export function versionKey(version: string): string {
  return version.toLowerCase()
}
