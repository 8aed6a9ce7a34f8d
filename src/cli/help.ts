// What `--help` says of the server, and of all commands in short.
import { packageTexts } from './package-commands.ts'
import { peopleTexts } from './people-help.ts'
import { upstreamTexts } from './upstream-help.ts'

const overview = `Stemma hosts Git repositories and the artifacts built from them.

Usage: stemma COMMAND [FLAGS]

  serve          Runs the server. With nothing set it keeps everything under ./data,
                 in a PostgreSQL of its own and a folder of files.
  migrate        Brings the database's schema up to date (serve does so by itself,
                 unless database.migrate is false).
  import         Brings repositories in, from a folder or a URL, and verifies each.
  mirror add     Keeps a repository in step with one elsewhere, pulling or pushing.
  mirror list    Lists mirrors, and how their last runs ended.
  mirror run     Runs mirrors now, instead of waiting for the server to.
  mirror remove  Ends a mirror; the repository stays.
  upstream       Registries that images and npm packages come from: declare, change, list, claim, remove.
  backup         Copies everything to a folder, without stopping.
  backup hold    Has the bucket keep all keys for a while: for backups with other tools.
  backup release Ends that.
  restore        Puts a backup into an empty place.
  export         Writes repositories as git keeps them on disk: the way out.
  fsck           Checks everything that is stored, and rows against keys.
  repack         Makes one new, small pack of all that a repository stores.
  gc             Removes objects that nothing has reached for a while.
  purge          Removes objects now: a secret that was pushed.
  quota show     Says how much an owner stores, and may.
  quota set      Limits how much an owner may store.
  quota clear    Gives an owner the server's limit again.
  user           Users: create, list, show, suspend, unsuspend, promote, demote, rename, password, disable-2fa, delete.
  org            Organizations: create, list, rename, members, add, remove, delete.
  collaborator   Who may do what in one repository: add, list, remove.
  repository     Repositories: create, list, rename, transfer, visibility, delete.
  package        Packages (images): list, show, tags, set-visibility, link, unlink, delete;
                 retention (what stays of them), immutable (tags that may not move).
  key            SSH keys of users, and deploy keys of repositories: add, list, remove; forget-host: the server's own.
  token create   Makes an access token and prints it, this once.
  token list     Lists tokens (never their secrets).
  token revoke   Ends a token.
  audit          Prints who changed what.
  completion     Prints what bash, zsh or fish needs to complete commands.
  config check   Checks the configuration and prints what would be in force.

Flags of every command
  --data DIR     The data folder (default ./data).
  --config FILE  A YAML file with settings; config.example.yaml explains each one.
  --help         This text; after a command, that command's.
  --version      The release.

Settings also come from the environment: STEMMA_LISTEN, STEMMA_DATA, STEMMA_BUCKET_S3_ENDPOINT …
and DATABASE_URL. Flags beat the environment, the environment beats the file.`

const texts: Readonly<Record<string, string>> = {
  ...peopleTexts,
  ...packageTexts,
  ...upstreamTexts,
  serve: `Usage: stemma serve [--data DIR] [--listen HOST:PORT] [--config FILE]

Runs the server until SIGTERM or SIGINT, which let running requests end first (a second one doesn't).

  --data DIR          The data folder; made where it is missing (default ./data).
  --listen HOST:PORT  Where to take connections (default 127.0.0.1:8080; port 0: any free one).
  --config FILE       A YAML file with settings.

SSH is listened to as well, on 127.0.0.1:2222: ssh.listen in the file, or STEMMA_SSH_LISTEN=HOST:PORT, says another place, or off.
A second server on one machine needs another place for both.

Prints one line with its URL when it is ready; the log goes to standard error, one JSON object a line.
The first start prints the administrator's token, unless STEMMA_ADMIN_TOKEN sets one (20 characters or more).
Should it get lost, make another one: stemma token create --account admin --name NAME --data DIR`,
  migrate: `Usage: stemma migrate [--json] [--data DIR] [--config FILE]

Applies the migrations that the database lacks. Safe to run on several machines at once.`,
  import: `Usage: stemma import SOURCE [--owner ACCOUNT] [--name NAME] [--public] [--token-file FILE]
                     [--no-strict] [--dry-run] [--json] [--data DIR] [--config FILE]

Brings repositories in, with all their refs, beside the running server or while it is down. No git is needed.

  SOURCE           A repository (bare or with a work tree); a folder: then every repository below it
                   (symbolic links are not followed); or the https or http URL of one elsewhere, with user:password@
                   where it needs that.
  --owner ACCOUNT  Whose they become (default admin).
  --name NAME      What it is called here. Without it: the path below SOURCE (or the end of the URL), without .git,
                   slashes as hyphens.
  --token-file FILE  Its first line is the token for the URL, or user:password. Better than in the URL, which the
                   list of processes shows. It is kept nowhere and never printed.
  --public         A repository that is made is public; otherwise it is private.
  --no-strict      Takes objects with faults that pushes are refused for (git's fsck). They must still be whole.
  --dry-run        Only lists what would be imported, and under which names; nothing is read of it yet.
  --json           One JSON object for each repository instead of a line of text.

Every object is checked as a push's are; then all that was stored is read back, and everything that the refs reach
is looked up, here and (in a folder) in the source. What was interrupted goes on when the same command is started again: what is
complete and verified is passed over, what has changed in the source since is brought. Exits with 1 when one failed.
LFS objects don't come, only their pointers: push them from a clone that has them (git lfs push --all URL).`,
  'mirror add': `Usage: stemma mirror add OWNER/REPO URL [--pull | --push] [--every 10m] [--refs LIST] [--token-file FILE]
                         [--public] [--json] [--data DIR] [--config FILE]

Keeps a repository in step with one elsewhere, as background work of the server, for as long as the mirror exists.

  --pull             It follows the other: new and moved refs come, deleted ones go, HEAD is the other's (the default).
                     A repository that isn't there is made. What is pushed to it here is undone by the next run.
  --push             The other follows it: refs are pushed there, forced, and what isn't here is deleted there.
  --every 10m        The pause between two runs (at least 10s). After a failure: a minute, then ever longer.
  --refs LIST        Which refs, separated by commas: names, or beginnings as refs/heads/*. Without it all of them are
                     pulled, and refs/heads/* and refs/tags/* pushed.
  --token-file FILE  Its first line is the token for the URL, or user:password. It is kept in the database for the
                     server to use, and shown nowhere. Credentials in the URL are kept the same way.
  --public           A repository that is made is public; otherwise it is private.

The server that runs Stemma makes the requests: a URL may name hosts that only that one reaches.`,
  'mirror list': `Usage: stemma mirror list [--json] [--data DIR] [--config FILE]

Lists mirrors, separated by tabs: repository, direction, URL, pause, last success, state with the last error. Never secrets.`,
  'mirror run': `Usage: stemma mirror run [OWNER/REPO] [--json] [--data DIR] [--config FILE]

Runs all mirrors, or those of one repository, now; those that another run is at are left to it.
Exits with 1 when one failed.`,
  'mirror remove': `Usage: stemma mirror remove OWNER/REPO [URL] [--json] [--data DIR] [--config FILE]

Ends the repository's mirrors, or the one with that URL, and forgets their secrets. A run under way is told to stop.`,
  backup: `Usage: stemma backup --to FOLDER [--json] [--data DIR] [--config FILE]

Copies everything to a folder, beside the running server: all rows of one moment, and every key that they name. A folder that
holds a backup already gets only what is new, and keeps the old one until the new one is whole. docs/backup.md.

  --to FOLDER  Where to; made where it is missing. A folder for this backup alone: empty, or with a backup in it; outside of the
               data folder and the bucket's. It will hold secrets: hashes of tokens, credentials of mirrors.
  --json       One JSON object at the end instead of a line of text.

Exits with 1 when the bucket lacked a key that a row names: the backup is made all the same; see stemma fsck.`,
  'backup hold': `Usage: stemma backup hold [--for 24h] [--json] [--data DIR] [--config FILE]

No key is deleted from the bucket until then: for backups with other tools (pg_dump, then a copy of the bucket). Again: until later.`,
  'backup release': `Usage: stemma backup release [--json] [--data DIR] [--config FILE]

Ends what backup hold began.`,
  restore: `Usage: stemma restore --from FOLDER [--json] [--data DIR] [--config FILE]

Puts a backup into an empty place: a data folder (and a bucket) in which no server has been started yet, or a database without
rows. Nothing is there until all of it is; the same command begins anew. Then start the server, and run stemma fsck; not
before restore has said that it is done: a server that starts in a place where nothing was restored begins with nothing.`,
  export: `Usage: stemma export [OWNER/REPO…] --to FOLDER [--json] [--data DIR] [--config FILE]

Writes bare repositories that git opens: FOLDER/OWNER/REPO.git, each with one pack of all that its refs reach, all its
refs, HEAD, and its description. Every object is checked on the way. Beside the running server or while it is down.
LFS objects are not in it, only their pointers: fetch them into a clone, while the server runs (git lfs fetch --all).

  OWNER/REPO   Only these; without any, all of them.
  --to FOLDER  Where to. What is there already with the same refs is passed over, so that the same command goes on
               where it was interrupted, and brings a former export up to date. What is no export stays, and that one fails.
  --json       One JSON object for each repository instead of a line of text.

Exits with 1 when one failed.`,
  fsck: `Usage: stemma fsck [OWNER/REPO] [--rebuild] [--json] [--data DIR] [--config FILE]

Reads back every stored pack and checks it: its bytes against its own hashes, every object against its id, everything that objects
and refs point to. Then PostgreSQL's rows against the bucket's keys, both ways. Beside the running server or while it is down.

  OWNER/REPO  Only that repository and its forks, which share packs; rows are compared with keys only without it.
  --rebuild   First makes rows about packs and content again from the bucket alone: for keys that no row speaks of, and where a
              row about a pack says something else than the value. Tails, refs, accounts, and which repository has which LFS
              object come from a backup: restore that before.
  --json      One JSON object a line: each finding (severity, code, message, advice, network, key, pack, objects,
              dependents: the repositories and refs that need it), at the end a summary.

Exits with 0 when nothing is wrong, 1 when something is, 2 when it could not be found out.`,
  'config check': `Usage: stemma config check [--data DIR] [--listen HOST:PORT] [--config FILE]

Reads flags, environment and file as serve would, and prints the settings in force as JSON, secrets left out.
Exits with 2 and names key, value and what is allowed when something is wrong.`,
  gc: `Usage: stemma gc [OWNER/REPO] [--grace 14d] [--dry-run] [--yes] [--json] [--data DIR] [--config FILE]

Removes objects that no ref of a repository or its forks reaches, nor has reached within the grace, and LFS objects that no pointer
file in a repository's history names, and nobody has asked to upload within the grace. The server does that by itself; this
does it now, or with another grace, and says what goes. Beside the running server, which waits for nothing; a push that rests on what
leaves at that moment is told to push again.

  OWNER/REPO    Only that repository and its forks, which share objects; without it, all.
  --grace 14d   What refs pointed to so lately stays (git.collectGraceMs): a number with its unit (d, h, m, s).
                0: only what they reach now.
  --dry-run     Only counts.
  --yes         Does what a grace of less than an hour asks for.
  --json        One JSON object for each network (repositories that share objects) instead of lines of text.

The old values leave the bucket an hour later, so that fetches under way end in peace; those of LFS objects within two days.`,
  purge: `Usage: stemma purge OWNER/REPO OBJECT_ID… [--yes] [--json] [--data DIR] [--config FILE]

Removes objects now. First rewrite the history that holds them (git filter-repo), push it with force, and delete what else points to
the old one; then give the ids of the objects to go (git rev-parse COMMIT:PATH). While a ref of the repository or of one of
its forks still reaches one of them nothing is removed, and these refs are named.

  --yes   Does it. Without it only what would go is counted: whatever no ref reaches goes along, with no grace.
  --json  One JSON object instead of lines of text.

LFS objects have no object id here: stemma gc OWNER/REPO --grace 0 --yes takes away those that no pointer names any more.
Old values leave the bucket at once: clones under way break off. docs/design/gc.md says what can still hold the objects.`,
  repack: `Usage: stemma repack OWNER/REPO [--window 10] [--depth 50] [--no-reuse] [--threads N] [--memory 192MiB]
                     [--json] [--data DIR] [--config FILE]

Makes one pack, ordered by type, path and age, of all packs that the repository and its network of forks store, and puts
it in their place. The server goes on meanwhile: fetches and pushes wait for nothing, and packs that are pushed stay beside it.

  --window 10        How many objects each one is compared with, itself included. More makes smaller packs, and takes longer.
  --depth 50         How many deltas may rest one on the other. More makes smaller packs, and slower reads.
  --no-reuse         Searches all deltas anew, and not only those of what came since the last full repack. Smallest, and slower.
  --threads N        Threads that search (default: one for each processor).
  --memory 192MiB    For all of them together, beside some 40 bytes for each object. Files larger than a thirty-second of
                     it, with two threads, are taken over as they are.
  --json             The outcome as one JSON object.

Room is needed in the spool folder for twice the new pack; with a bucket on S3 for a copy of the old packs, too. Packs that were replaced are
deleted an hour later. When it is interrupted nothing has changed.`,
  'quota show': `Usage: stemma quota show OWNER [--json] [--data DIR] [--config FILE]

Says how much a user or an organization stores, counted at this moment, and how much it may: its own limit, or the
server's (quota.ownerBytes). Packs that forks have in common are divided by what was pushed to each of them.`,
  'quota set': `Usage: stemma quota set OWNER SIZE [--json] [--data DIR] [--config FILE]

Limits how much a user or an organization may store: packs and LFS objects of all its repositories, and its packages (images), together.
What is stored already stays; pushes and uploads that go past the limit are refused as they come.

  SIZE      500MiB, 10GiB, a number of bytes; none: as much as it likes, whatever the server's limit is.`,
  'quota clear': `Usage: stemma quota clear OWNER [--json] [--data DIR] [--config FILE]

Gives the owner the server's limit (quota.ownerBytes) again, instead of one of its own.`,
}

/** The text for one command; for the first words of several, their usages and what each does; else the overview. */
export function helpText(command: string | null, words: readonly string[] = []): string {
  const text = command === null ? undefined : texts[command]
  if (text !== undefined) return text
  for (let count = words.length; count > 0; count--) {
    const first = words.slice(0, count).join(' ')
    const family = Object.entries(texts).filter(([name]) => name.startsWith(`${first} `))
    if (family.length > 0)
      return `${family.map(([, one]) => shortText(one)).join('\n\n')}\n\nstemma ${first} COMMAND --help says more of each.`
  }
  return overview
}

/** The usage, and the first sentence of the words below it. */
function shortText(text: string): string {
  const [usage = '', words = ''] = text.split('\n\n')
  const sentence = /^[^]*?[.:](?=\s|$)/.exec(words)?.[0] ?? words
  return `${usage}\n    ${sentence.replace(/:$/, '.').replaceAll('\n', ' ')}`
}
