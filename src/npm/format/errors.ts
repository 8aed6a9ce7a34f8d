// The statuses of the registry's errors; npm shows their text as it is (docs/design/npm.md).

/** By the word that InputError carries as its code; all others are 400. */
export const npmStatuses: Readonly<Record<string, number>> = {
  'version-exists': 403, // npm's own: `You cannot publish over the previously published versions`
  'version-removed': 403,
  'name-alike': 403,
  'content-gone': 409,
  'no-such-package': 404,
  'version-unknown': 404,
  'tag-unknown': 404,
  'token-too-strong': 403,
  'token-too-long': 403,
  'token-exists': 409,
  'account-exists': 409,
  'last-member-admin': 403,
  'no-such-user': 404,
  'no-login': 404,
  'no-teams': 403,
  'version-staged': 409,
  'too-many-staged': 403,
  owners: 403,
  'too-many-logins': 429,
  'bad-name': 400,
  'bad-tag': 400,
}
