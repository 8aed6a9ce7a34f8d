// `stemma package`: what each of its commands takes of the command line, what it runs, and what `--help` says of it.
import type { Commands } from './command.ts'
import type { FlagName } from './usage.ts'

const usual = ['json', 'data', 'config'] as const satisfies readonly FlagName[]
const formatted = ['format', ...usual] as const satisfies readonly FlagName[]
const packages = async () => import('./packages.ts')
const rules = async () => import('./package-rules.ts')
const versions = async () => import('./package-versions.ts')
const place = ['OWNER[/NAME]'] as const

export const packageCommands: Commands = {
  'package list': { flags: ['owner', ...usual], run: async (config, given) => (await packages()).runListPackages(config, given) },
  'package show': { flags: formatted, takes: ['OWNER/NAME'], run: async (...given) => (await packages()).runShowPackage(...given) },
  'package versions': { flags: formatted, takes: ['OWNER/NAME'], run: async (...given) => (await versions()).runListVersions(...given) },
  'package prune': {
    flags: ['newest', 'grace', 'yes', ...usual],
    takes: ['OWNER/NAME'],
    run: async (...given) => (await versions()).runPrune(...given),
  },
  'package tags': { flags: usual, takes: ['OWNER/NAME'], run: async (...given) => (await packages()).runListTags(...given) },
  'package set-visibility': {
    flags: formatted,
    takes: ['OWNER/NAME', 'VISIBILITY'],
    run: async (...given) => (await packages()).runVisibility(...given),
  },
  'package link': { flags: formatted, takes: ['OWNER/NAME', 'REPO'], run: async (...given) => (await packages()).runLink(...given) },
  'package unlink': { flags: formatted, takes: ['OWNER/NAME'], run: async (...given) => (await packages()).runUnlink(...given) },
  'package delete': {
    flags: ['yes', ...formatted],
    takes: ['OWNER/NAME'],
    run: async (...given) => (await packages()).runDelete(...given),
  },
  'package retention show': { flags: usual, takes: place, run: async (...given) => (await rules()).runShowRetention(...given) },
  'package retention set': {
    flags: ['rule', 'untagged', 'referrers', ...usual],
    takes: place,
    run: async (...given) => (await rules()).runSetRetention(...given),
  },
  'package retention try': {
    flags: ['rule', 'untagged', 'referrers', ...usual],
    takes: ['OWNER/NAME'],
    run: async (...given) => (await rules()).runTryRetention(...given),
  },
  'package retention clear': { flags: usual, takes: place, run: async (...given) => (await rules()).runClearRetention(...given) },
  'package immutable show': { flags: usual, takes: place, run: async (...given) => (await rules()).runShowImmutable(...given) },
  'package immutable set': { flags: ['rule', ...usual], takes: place, run: async (...given) => (await rules()).runSetImmutable(...given) },
  'package immutable clear': { flags: usual, takes: place, run: async (...given) => (await rules()).runClearImmutable(...given) },
}

const ending = `
  --json           One JSON object instead of lines of text; of a list one a line.

Works beside the running server or while it is down: who may read the data folder may do it. What is changed counts at once.`

function text(usage: string, words: string): string {
  return `Usage: stemma ${usage} [--json] [--data DIR] [--config FILE]\n\n${words}\n${ending}`
}

const which = `
  --format FORMAT  Of several packages of that name, the one of that format: oci (images), npm, generic.`

const policy = `  --rule RULE      What stays of the tags that match a pattern (* and ? stand for anything): PATTERN:CONDITION,…
                   newest=10    so many of them, those that moved last
                   pushed=90d   those that were moved to where they are within so many days
                   pulled=30d   those whose manifest was pulled within so many days
                   except=v1.*  those whatever else is said
                   A tag is judged by the first rule that matches it, and stays if any condition holds, or no rule
                   matches it. newest=0 by itself: everything goes. May be given several times.
  --untagged 14d   Manifests without a tag go so long after they lost it, were pushed, and were pulled last.
  --referrers stay What refers to a manifest that goes (signatures) stays; otherwise it goes, too (go, the default).`

export const packageTexts: Readonly<Record<string, string>> = {
  'package list': text(
    'package list [--owner ACCOUNT]',
    'Lists packages: name, format, visibility, linked repository, versions, bytes of what was pushed, when visibility or link was changed last; separated by tabs.',
  ),
  'package show': text(
    'package show OWNER/NAME [--format FORMAT]',
    `Shows a package: who may read it, how large it is, how often it was pulled in the last 30 days.
${which}`,
  ),
  'package versions': text(
    'package versions OWNER/NAME [--format FORMAT]',
    `Lists the versions of a package, the newest first: name (of an image, the digest of a manifest), day, tags; separated by tabs.
${which}`,
  ),
  'package prune': text(
    'package prune OWNER/NAME [--newest 10] [--grace 30d] [--yes]',
    `Tells which prereleases of an npm package nobody needs any more, or takes them away: for ever, as all versions of npm's.
What a tag leads to stays, and so does every release.

  --newest 10      So many prereleases stay, those that were published last.
  --grace 30d      Those that were published within so many days stay, too.
  --yes            Takes them away; without it nothing changes.`,
  ),
  'package tags': text('package tags OWNER/NAME', 'Lists the tags of an image: name, digest, bytes, since when, pulls; separated by tabs.'),
  'package set-visibility': text(
    'package set-visibility OWNER/NAME public|internal|private [--format FORMAT]',
    `Says who may pull a package: anyone, whoever has an account, or whoever has a role in it.
${which}`,
  ),
  'package link': text(
    'package link OWNER/NAME REPO [--format FORMAT]',
    `Links a package to a repository of the same owner: whoever has a role there has it in the package, and its CI jobs may push. No label changes that again.
${which}`,
  ),
  'package unlink': text(
    'package unlink OWNER/NAME [--format FORMAT]',
    `Ends the link to a repository. No label makes one again.
${which}`,
  ),
  'package delete': text(
    'package delete OWNER/NAME --yes [--format FORMAT]',
    `Deletes a package with all its versions, immutable tags, too. A version of npm's never comes again.

  --yes            Does it.${which}`,
  ),
  'package retention show': text(
    'package retention show OWNER[/NAME]',
    'Shows what stays of a package, by its own policy or its owner’s, or of all packages of an owner that have none of their own, and when it is applied next.',
  ),
  'package retention set': text(
    'package retention set OWNER[/NAME] [--rule RULE] [--untagged 14d] [--referrers stay]',
    `Says what stays of a package, or of all packages of an owner that have no policy of their own. What was said before is gone. It is applied a day from now, then daily: look at
what would go first (stemma package retention try).

${policy}`,
  ),
  'package retention try': text(
    'package retention try OWNER/NAME [--rule RULE] [--untagged 14d] [--referrers stay]',
    `Tells what of a package would go, and why, and why the rest stays: by the policy that is said here, or else the one that holds. Nothing is changed. Of each 1000 are told, all are counted.

${policy}`,
  ),
  'package retention clear': text(
    'package retention clear OWNER[/NAME]',
    'Takes a policy away: an owner’s packages stay as they are, and a package is left to its owner’s policy, if there is one.',
  ),
  'package immutable show': text(
    'package immutable show OWNER[/NAME]',
    'Shows which tags may be made, and neither moved nor deleted: of a package, by its own rules and its owner’s.',
  ),
  'package immutable set': text(
    'package immutable set OWNER[/NAME] --rule RULE',
    `Says which tags may be made, and neither moved nor deleted: of a package, or of all packages of an owner. What was said before is gone.

  --rule RULE      A pattern (* and ? stand for anything), and which tags it isn't about: 'v*:except=v0,except=v*-rc'. May be given several times.`,
  ),
  'package immutable clear': text('package immutable clear OWNER[/NAME]', 'Lets all tags move again, as far as this one’s own rules go.'),
}
