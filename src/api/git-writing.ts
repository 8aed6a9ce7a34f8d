// What the routes that write have in common: who is named in a commit, text that is none, and git's refusals in GitHub's words.
import type { FastifyRequest } from 'fastify'
import { InputError } from '../base/index.ts'
import type { LocalOutcome, Signer } from '../git/index.ts'
import { Refusal, validationFailed } from '../http/index.ts'
import type { ApiOptions } from './index.ts'
import type { SignerJson } from './git-write-schemas.ts'

/** JSON with a file in it; more goes by a push. */
export const bodyLimit = 40 << 20

/** Who is said, or who calls. */
export function signerOf({ git }: Pick<ApiOptions, 'git'>, request: FastifyRequest, given: SignerJson | undefined, field: string): Signer {
  const { email, name } = given ?? callersName(request)
  const when =
    given?.date === undefined ? { seconds: Math.floor(git.clock.now() / 1000), timezone: '+0000' } : timeOf(given.date, `${field}.date`)
  const signer = { name: assertText(name, `${field}.name`), email, ...when }
  if (signer.name.replaceAll(/[<>\n\r]/g, '').trim() === '') throw invalid(`${field}.name`, 'is empty')
  return signer
}

function callersName({ host, identity }: FastifyRequest): { name: string; email: string } {
  const domain = `users.noreply.${host.replace(/:\d+$/, '')}`
  if (identity.kind === 'account') return { name: identity.login, email: `${identity.login}@${domain}` }
  return { name: identity.kind === 'repository' ? identity.name : 'nobody', email: `noreply@${domain}` }
}

function timeOf(text: string, field: string): { seconds: number; timezone: string } {
  const [, sign, hours, minutes] = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|([+-])(\d\d):?(\d\d))?$/.exec(text) ?? []
  const time = /^\d{4}-\d\d-\d\d/.test(text)
    ? Date.parse(sign === undefined && !text.endsWith('Z') && text.includes('T') ? `${text}Z` : text)
    : Number.NaN
  if (Number.isNaN(time) || time < 0) throw invalid(field, 'must be a time in ISO 8601 format')
  return { seconds: Math.floor(time / 1000), timezone: sign === undefined ? '+0000' : `${sign}${hours}${minutes}` }
}

/** Refusal 422 for what Git's objects can't hold: NUL, and halves of surrogate pairs. */
export function assertText(text: string, field: string): string {
  if (text.includes('\0') || !text.isWellFormed()) throw invalid(field, 'holds characters that are no text')
  return text
}

export function invalid(field: string, what: string): Refusal {
  return validationFailed([{ field, code: 'invalid', message: `${field} ${what}` }])
}

const conflicts: ReadonlySet<string> = new Set(['merge-conflict', 'file-changed'])
const faults: ReadonlySet<string> = new Set([
  'object-missing',
  'object-kind',
  'tree-edit',
  'tree-path',
  'bad-base64',
  'file-is-folder',
  'file-unnamed',
  'fsck',
  'fsck-settings',
  'pack-too-large',
])

/** The InputErrors of composing and of taking in, as GitHub tells them. */
export function asRefusal(error: unknown): unknown {
  if (!(error instanceof InputError)) return error
  if (conflicts.has(error.code)) return new Refusal(409, 'conflict', error.code === 'merge-conflict' ? 'Merge conflict' : error.message)
  if (error.code === 'service-disabled') return new Refusal(403, error.code, 'This repository takes no pushes')
  if (error.code === 'file-missing') return new Refusal(404, 'not-found', 'Not Found')
  if (error.code === 'repository-deleted') return new Refusal(404, 'not-found', 'Not Found')
  return faults.has(error.code) ? new Refusal(422, 'invalid', error.message) : error
}

/** Somebody else was faster. */
export function isLost({ errors }: LocalOutcome): boolean {
  return errors.some(
    (error) =>
      error !== null &&
      ['incorrect old value provided', 'reference already exists', 'reference does not exist', 'atomic transaction failed'].includes(error),
  )
}

/** What stands against a ref's move; null: nothing. */
export function refusalOf({ errors, said }: LocalOutcome): Refusal | null {
  const error = errors.find((one) => one !== null)
  if (error === undefined || error === null) return null
  const sentence = said.replaceAll(/^(?:error|fatal|warning): /gm, '').trim()
  switch (error) {
    case 'non-fast-forward':
      return new Refusal(422, 'invalid', 'Update is not a fast forward')
    case 'deletion of the current branch prohibited':
      return new Refusal(422, 'invalid', 'Cannot delete the default branch')
    case 'missing necessary objects':
      return new Refusal(422, 'invalid', 'Object does not exist')
    case 'atomic transaction failed':
      if (sentence !== '' && !sentence.includes('cannot lock ref')) return new Refusal(422, 'invalid', sentence)
      return new Refusal(409, 'conflict', 'The ref was moved meanwhile; try again')
    case 'incorrect old value provided':
      return new Refusal(409, 'conflict', 'The ref was moved meanwhile; try again')
    case 'reference already exists':
      return new Refusal(422, 'invalid', 'Reference already exists')
    case 'reference does not exist':
      return new Refusal(422, 'invalid', 'Reference does not exist')
    default:
      // what is hidden is told apart from what is funny by nothing
      return new Refusal(422, 'invalid', /hidden/.test(error) || sentence === '' ? 'Reference update failed' : sentence)
  }
}
