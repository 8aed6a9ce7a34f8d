// What `--help` says of the commands about upstreams.

const format = `  --format FORMAT  oci (images; said where nothing is) or npm.`
const settings = `  --user NAME      Signs in there with that name; \`none\` ends it. For npm, \`_authToken\`: with a token.
  --password-file FILE  Its first line is the password or token. It is kept sealed, and shown nowhere.
  --auth ORIGIN    Where else the credentials may go: the origin of the upstream's token endpoint, where that isn't its own
                   (https://auth.example); \`none\`: nowhere else. Never where an answer of the upstream says.
  --visibility V   public (anybody pulls, also what isn't here yet), internal (whoever has an account) or
                   private (whoever has a role with the owner).
  --fresh 5m       So long a tag, or npm's document of a package, isn't compared with the upstream's again.
  --keep 30d       What nobody has pulled for so long is evicted; it comes back when somebody asks for it.
  --size 100GiB    What more there is of it is evicted, those first that were pulled longest ago; \`none\`: no limit.
  --min-age 3d     npm: versions that were published more recently aren't shown; \`none\`: all are.
  --json           One JSON object instead of lines of text.`

export const upstreamTexts: Readonly<Record<string, string>> = {
  'upstream declare': `Usage: stemma upstream declare PLACE URL [--format npm] [--user NAME --password-file FILE] [--auth ORIGIN]
                         [--visibility V] [--fresh 5m] [--keep 30d] [--size 100GiB] [--min-age 3d] [--json] [--data DIR] [--config FILE]

Declares where images, or npm packages, of certain names come from: what is pulled is fetched there once, and kept.

  PLACE            Of images: OWNER (all of his) or OWNER/NAME… (those below it). He has no images of his own there, and from now on
                   nothing is pushed there. Of npm: OWNER, OWNER/@SCOPE or one name; what he has published stays his own, and is never
                   asked for elsewhere. Of places within each other the longest counts.
  URL              The registry: https://HOST, or https://HOST/PATH (of images: for those below that path).
${format}
${settings}

stemma upstream declare hub https://registry-1.docker.io makes /hub/library/alpine what docker.io/library/alpine is. The server
makes the requests; private addresses only as outbound.allowPrivate says.`,
  'upstream change': `Usage: stemma upstream change PLACE [--format npm] [--user NAME --password-file FILE] [--auth ORIGIN]
                        [--visibility V] [--fresh 5m] [--keep 30d] [--size 100GiB] [--min-age 3d] [--json] [--data DIR] [--config FILE]

Changes what is said; all else stays. The URL doesn't change: remove the upstream and declare another.

${format}
${settings}`,
  'upstream list': `Usage: stemma upstream list [--json] [--data DIR] [--config FILE]

Lists upstreams, and places that are claimed, separated by tabs: place, URL, user, token endpoint, visibility, times, size, format,
least age. Never secrets.`,
  'upstream claim': `Usage: stemma upstream claim PLACE [--json] [--data DIR] [--config FILE]

Says that names of npm are their owner's own: nothing of them comes from the upstream that is declared around them, whether anything
is published there yet or not. What had come from there goes. In the root registry a scope that is claimed is the account's of that name.

  PLACE            OWNER/@SCOPE, OWNER/NAME or OWNER/@SCOPE/NAME.
  --format FORMAT  npm.
  --json           One JSON object instead of lines of text.`,
  'upstream remove': `Usage: stemma upstream remove PLACE --yes [--format npm] [--json] [--data DIR] [--config FILE]

Removes an upstream with all that came from there, and forgets its secret; or a claim. The names are the owner's own again, or come from
where the upstream around them says.

${format}
  --yes            Does it.`,
}
