// `stemma package`: what each of its commands takes of the command line, what it runs, and what `--help` says of it.
import type { Commands } from './command.ts'
import type { FlagName } from './usage.ts'

const usual = ['json', 'data', 'config'] as const satisfies readonly FlagName[]
const packages = async () => import('./packages.ts')

export const packageCommands: Commands = {
  'package list': { flags: ['owner', ...usual], run: async (config, given) => (await packages()).runListPackages(config, given) },
  'package show': { flags: usual, takes: ['OWNER/NAME'], run: async (...given) => (await packages()).runShowPackage(...given) },
  'package tags': { flags: usual, takes: ['OWNER/NAME'], run: async (...given) => (await packages()).runListTags(...given) },
  'package set-visibility': {
    flags: usual,
    takes: ['OWNER/NAME', 'VISIBILITY'],
    run: async (...given) => (await packages()).runVisibility(...given),
  },
  'package link': { flags: usual, takes: ['OWNER/NAME', 'REPO'], run: async (...given) => (await packages()).runLink(...given) },
  'package unlink': { flags: usual, takes: ['OWNER/NAME'], run: async (...given) => (await packages()).runUnlink(...given) },
  'package delete': {
    flags: ['yes', ...usual],
    takes: ['OWNER/NAME'],
    run: async (...given) => (await packages()).runDelete(...given),
  },
}

const ending = `
  --json           One JSON object instead of lines of text; of a list one a line.

Works beside the running server or while it is down: who may read the data folder may do it. What is changed counts at once.`

function text(usage: string, words: string): string {
  return `Usage: stemma ${usage} [--json] [--data DIR] [--config FILE]\n\n${words}\n${ending}`
}

export const packageTexts: Readonly<Record<string, string>> = {
  'package list': text(
    'package list [--owner ACCOUNT]',
    'Lists packages: name, visibility, linked repository, versions, bytes of what was pushed, when visibility or link was changed last; separated by tabs.',
  ),
  'package show': text(
    'package show OWNER/NAME',
    'Shows a package: who may read it, how large it is, how often it was pulled in the last 30 days.',
  ),
  'package tags': text('package tags OWNER/NAME', 'Lists the tags of an image: name, digest, bytes, since when, pulls; separated by tabs.'),
  'package set-visibility': text(
    'package set-visibility OWNER/NAME public|internal|private',
    'Says who may pull a package: anyone, whoever has an account, or whoever has a role in it.',
  ),
  'package link': text(
    'package link OWNER/NAME REPO',
    'Links a package to a repository of the same owner: whoever has a role there has it in the package, and its CI jobs may push. No label changes that again.',
  ),
  'package unlink': text('package unlink OWNER/NAME', 'Ends the link to a repository. No label makes one again.'),
  'package delete': text(
    'package delete OWNER/NAME --yes',
    `Deletes a package with all its versions, immutable tags, too.

  --yes            Does it.`,
  ),
}
