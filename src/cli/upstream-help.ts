// What `--help` says of the commands about upstreams.

const settings = `  --user NAME      Signs in there with that name; \`none\` ends it.
  --password-file FILE  Its first line is the password or token. It is kept sealed, and shown nowhere.
  --auth ORIGIN    Where else the credentials may go: the origin of the upstream's token endpoint, where that isn't its own
                   (https://auth.example); \`none\`: nowhere else. Never where an answer of the upstream says.
  --visibility V   public (anybody pulls, also what isn't here yet), internal (whoever has an account) or
                   private (whoever has a role with the owner).
  --fresh 5m       So long a tag isn't compared with the upstream's again.
  --keep 30d       What nobody has pulled for so long is evicted; it comes back when somebody asks for it.
  --size 100GiB    What more there is of it is evicted, those first that were pulled longest ago; \`none\`: no limit.
  --json           One JSON object instead of lines of text.`

export const upstreamTexts: Readonly<Record<string, string>> = {
  'upstream declare': `Usage: stemma upstream declare PLACE URL [--user NAME --password-file FILE] [--auth ORIGIN]
                         [--visibility V] [--fresh 5m] [--keep 30d] [--size 100GiB] [--json] [--data DIR] [--config FILE]

Declares where images of certain names come from: what is pulled is fetched there once, and kept.

  PLACE            OWNER (all of his images) or OWNER/NAME… (those below it). He has no images of his own there, and from now on
                   nothing is pushed there. Of places within each other the longest counts.
  URL              The registry: https://HOST, or https://HOST/PATH for the images below that path.
${settings}

stemma upstream declare hub https://registry-1.docker.io makes /hub/library/alpine what docker.io/library/alpine is. The server
makes the requests; private addresses only as outbound.allowPrivate says.`,
  'upstream change': `Usage: stemma upstream change PLACE [--user NAME --password-file FILE] [--auth ORIGIN]
                        [--visibility V] [--fresh 5m] [--keep 30d] [--size 100GiB] [--json] [--data DIR] [--config FILE]

Changes what is said; all else stays. The URL doesn't change: remove the upstream and declare another.

${settings}`,
  'upstream list': `Usage: stemma upstream list [--json] [--data DIR] [--config FILE]

Lists upstreams, separated by tabs: place, URL, user, token endpoint, visibility, times, size. Never secrets.`,
  'upstream remove': `Usage: stemma upstream remove PLACE --yes [--json] [--data DIR] [--config FILE]

Removes an upstream with all that came from there, and forgets its secret. The names are the owner's own again.

  --yes            Does it.`,
}
