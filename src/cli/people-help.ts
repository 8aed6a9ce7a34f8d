// What `--help` says of the commands about people and repositories.
import { flagChoices } from './usage.ts'

const ending = `
  --json           One JSON object instead of lines of text; of a list one a line.

Works beside the running server or while it is down: who may read the data folder may do it. What is changed counts at once.`

function text(usage: string, words: string): string {
  return `Usage: stemma ${usage} [--json] [--data DIR] [--config FILE]\n\n${words}\n${ending}`
}

/** A line for each area. */
const scopeLines = Object.values(Object.groupBy(flagChoices.scope ?? [], (scope) => scope.split(':', 1)[0] ?? ''))
  .map((area = []) => `                     ${area.join(', ')}`)
  .join('\n')

export const peopleTexts: Readonly<Record<string, string>> = {
  'user create': text(
    'user create LOGIN [--name NAME] [--email ADDRESS] [--admin] [--password-file FILE]',
    `Makes a user. Without a password he comes by a token (stemma token create) or by OpenID Connect.

  --name NAME      What he is called.
  --email ADDRESS  Where he is written to.
  --admin          He administers the server.
  --password-file FILE  Its first line is his password.`,
  ),
  'user list': text('user list', 'Lists users: login, name, address, state, when made; separated by tabs.'),
  'user show': text('user show LOGIN', 'Shows a user, and which organizations he is a member of.'),
  'user suspend': text(
    'user suspend LOGIN',
    'Nothing of the user’s opens anything until that is ended: tokens, keys, sessions, passwords. Nothing is deleted.',
  ),
  'user unsuspend': text('user unsuspend LOGIN', 'Ends a suspension.'),
  'user promote': text('user promote LOGIN', 'Makes a user an administrator of the server, who may do everything.'),
  'user demote': text('user demote LOGIN', 'Makes an administrator an ordinary user. The last one stays.'),
  'user rename': text(
    'user rename LOGIN NEW_LOGIN',
    'Gives a user another login. His repositories answer under the new one only, and the old one is free for others.',
  ),
  'user disable-2fa': text(
    'user disable-2fa LOGIN',
    'Takes a user’s second factor away, for one who has lost his app and his recovery codes: he sets it up anew by npm profile enable-2fa.',
  ),
  'user password': text(
    'user password LOGIN --password-file FILE',
    `Gives a user another password, and ends his sessions.

  --password-file FILE  Its first line is the password.`,
  ),
  'user delete': text(
    'user delete LOGIN --yes',
    `Deletes a user with his tokens, keys and memberships. Not one who has repositories: delete or transfer them first
(stemma repository list --owner LOGIN); nor the only one who administers an organization or the server.

  --yes            Does it.`,
  ),
  'org create': text(
    'org create LOGIN --account USER [--name NAME]',
    `Makes an organization.

  --account USER   Who administers it; he may add others.
  --name NAME      What it is called.`,
  ),
  'org list': text('org list', 'Lists organizations: login, name, when made; separated by tabs.'),
  'org rename': text(
    'org rename ORG NEW_LOGIN',
    'Gives an organization another login. Its repositories answer under the new one only, and the old one is free for others.',
  ),
  'org members': text('org members ORG', 'Lists the members of an organization with their roles.'),
  'org add': text(
    'org add ORG LOGIN [--role read]',
    `Makes a user a member, or gives a member another role.

  --role ROLE      In all repositories of the organization: read (the default), write, or admin, who administers it, too.`,
  ),
  'org remove': text('org remove ORG LOGIN', 'Ends a membership. Who alone administers the organization stays.'),
  'org delete': text(
    'org delete ORG --yes',
    `Deletes an organization that has no repositories.

  --yes            Does it.`,
  ),
  'key add': text(
    'key add FILE --account USER | --repository OWNER/REPO [--name TITLE] [--read-only]',
    `Adds an SSH key: the public one, in a file that ends in .pub.

  FILE             Such as ~/.ssh/id_ed25519.pub; - reads standard input.
  --account USER   Whoever holds the key is that user over SSH.
  --repository OWNER/REPO  A deploy key: whoever holds it fetches from that repository alone, and pushes to it.
  --name TITLE     What it is called in lists; the key's own comment when left out.
  --read-only      A deploy key that only fetches.

A key belongs to one user or one repository. Ed25519, ECDSA, RSA from 2048 bits on, and security keys are taken.`,
  ),
  'key list': text(
    'key list --account USER | --repository OWNER/REPO',
    'Lists SSH keys: number, title, fingerprint, what it may, when added, when last used; separated by tabs.',
  ),
  'key remove': text(
    'key remove ID --account USER | --repository OWNER/REPO',
    'Removes an SSH key: from the next command on it opens nothing, on connections that are open, too.',
  ),
  'key forget-host': text(
    'key forget-host',
    `Forgets the server's own SSH keys: the next start makes others, and clients that know the old ones warn their users. For when
somebody else has seen them, or the secretKey that they are sealed with is lost.`,
  ),
  'collaborator add': text(
    'collaborator add OWNER/REPO LOGIN [--role write]',
    `Makes a user a collaborator of one repository, or gives a collaborator another role.

  --role ROLE      read, write (the default), or admin.`,
  ),
  'collaborator list': text(
    'collaborator list OWNER/REPO',
    'Lists who has which role in a repository: owner, members of its owner, collaborators.',
  ),
  'collaborator remove': text('collaborator remove OWNER/REPO LOGIN', 'Ends a collaboration.'),
  'repository create': text(
    'repository create OWNER/REPO [--visibility private] [--description TEXT]',
    `Makes an empty repository.

  --visibility V   public: anyone reads it; internal: whoever has an account; private (the default).
  --description TEXT  One line about it.`,
  ),
  'repository list': text(
    'repository list [--owner ACCOUNT]',
    'Lists repositories: name, visibility, size of the packs (shared with forks), last push; separated by tabs.',
  ),
  'repository rename': text('repository rename OWNER/REPO NAME', 'Gives a repository another name; the old one stops working at once.'),
  'repository transfer': text(
    'repository transfer OWNER/REPO NEW_OWNER',
    'Gives a repository to another user or organization, with its collaborators and its own tokens.',
  ),
  'repository visibility': text('repository visibility OWNER/REPO public|internal|private', 'Says who may read a repository.'),
  'repository delete': text(
    'repository delete OWNER/REPO --yes',
    `Deletes a repository with its refs, hooks and tokens; its storage is free six hours later.

  --yes            Does it.`,
  ),
  'token create': `Usage: stemma token create --account NAME --name NAME [--expires 90d] [--scope SCOPE…] [--owner ACCOUNT,…]
                           [--repository OWNER/REPO…] [--json] [--data DIR] [--config FILE]
       stemma token create --repository OWNER/REPO --name NAME [--scope SCOPE…] [--expires 90d]

Prints a new token. Use it as password with any user name, or as a bearer token. It can't be shown again.
In the second form it is nobody's, but the repository's own: for a deployment or CI, which takes repository:read (the
default), repository:write, package:read and package:write.

  --account NAME   Whose token it is; the administrator's account is admin. Works without a token, beside the
                   running server or while it is down: who may read the data folder may make one.
  --name NAME      What the account calls it; used to revoke it.
  --expires 90d    When it ends (12h, 90d); never when left out.
  --scope SCOPE    What it is good for, several times or with commas; each includes those before it on its line:
${scopeLines}
                   Without any: whatever the account may. Images are packages.
  --owner ACCOUNT  Only for what belongs to that account.
  --repository OWNER/REPO  Only for that repository.
  --json           As a JSON object.`,
  'token list': text(
    'token list [--account NAME | --repository OWNER/REPO]',
    'Lists tokens, never their secrets: account or repository, name, scopes, when made, when it ends, when last used; separated by tabs.',
  ),
  'token revoke': text('token revoke (--account NAME | --repository OWNER/REPO) --name NAME', 'Ends a token at once.'),
  audit: text(
    'audit [--since 7d] [--until WHEN] [--action WORD] [--actor LOGIN] [--owner ACCOUNT] [--repository OWNER/REPO]',
    `Prints who changed what: every change of access and every administrative act, the oldest first. docs/design/audit.md
explains the words.

  --since WHEN     A day (2026-11-01), a moment (2026-11-01T12:00:00Z), or how long ago (7d, 12h).
  --until WHEN     The same; what came before it.
  --action WORD    As member.add; or what a word begins with: member.
  --actor LOGIN    Who did it.
  --owner ACCOUNT  What concerns that account and its repositories.
  --repository OWNER/REPO  What concerns that repository.`,
  ),
  completion: `Usage: stemma completion bash|zsh|fish

Prints what a shell needs to complete stemma's commands and flags:

  bash   source <(stemma completion bash)                                        (in ~/.bashrc)
  zsh    source <(stemma completion zsh)                                         (in ~/.zshrc, after compinit)
  fish   stemma completion fish > ~/.config/fish/completions/stemma.fish`,
}
