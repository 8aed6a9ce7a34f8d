// The access room's InputErrors as GitHub's faults of a field: which field of a body each of them speaks of.
import { InputError } from '../base/index.ts'
import { type FieldFault, validationFailed } from '../http/index.ts'

type Place = Pick<FieldFault, 'field' | 'code'>
const custom = (field: string): Place => ({ field, code: 'custom' })

const places: Readonly<Record<string, Place>> = {
  'repository-exists': custom('name'),
  'bad-repository-name': custom('name'),
  'wider-than-source': custom('visibility'),
  'no-such-branch': { field: 'default_branch', code: 'invalid' },
  'bad-login': { field: 'login', code: 'invalid' },
  'reserved-login': { field: 'login', code: 'invalid' },
  'account-exists': { field: 'login', code: 'already_exists' },
  'account-has-repositories': custom('login'),
  'account-has-packages': custom('login'),
  'last-administrator': custom('site_admin'),
  'no-administrator': custom('site_admin'),
  'last-member-admin': custom('role'),
  'no-member': { field: 'username', code: 'invalid' },
  'owns-it': { field: 'username', code: 'invalid' },
  'token-exists': { field: 'name', code: 'already_exists' },
  'token-name': { field: 'name', code: 'invalid' },
  'token-too-strong': { field: 'scopes', code: 'invalid' },
  'token-too-long': { field: 'expires_at', code: 'invalid' },
  'bad-scope': { field: 'scopes', code: 'invalid' },
}

/** @param fields other names of fields, where a body calls them differently */
export function rethrowAsFault(message = 'Validation Failed', fields: Readonly<Record<string, string>> = {}): (error: unknown) => never {
  return (error) => {
    const place = error instanceof InputError ? places[error.code] : undefined
    if (!place || !(error instanceof Error)) throw error
    throw validationFailed([{ ...place, field: fields[place.field] ?? place.field, message: error.message }], message)
  }
}
