// What the protocol rooms do differently for one repository, under the names that git's own configuration has (git-config(1)): an operator
// who knows `receive.denyDeletes` knows ours. Kept as `repository.settings`; what isn't set there has the hosted default, then git's.
import { createHash } from 'node:crypto'
import type { ObjectId } from '../format/object-id.ts'
import { type GitConfig, lastValue, readFlag, readNumber, readWord, type Subsection, subsections } from './git-config.ts'

export interface GitSettings {
  /** Everything that was set, for the keys that one room alone knows. */
  readonly config: GitConfig
  /** Patterns of refs that nobody sees, in order: git's transfer.hideRefs and uploadpack.hideRefs, or receive.hideRefs. */
  readonly hidden: { readonly fetch: readonly string[]; readonly push: readonly string[] }
  readonly advertisesSessionId: boolean
  readonly fetch: FetchSettings
  readonly push: PushSettings
  /**
   * `isEnabled`: http.uploadarchive; null: not set, so that it serves a caller who said who he is. `umask`: tar.umask, taken from what everybody
   * may do with a file in an archive.
   */
  readonly archive: { readonly isEnabled: boolean | null; readonly allowsUnreachable: boolean; readonly umask: number }
  /** http.getanyfile: the dumb protocol. */
  readonly isDumb: boolean
  /** stemma.shallow: commits whose parents the repository doesn't have, as git's file `shallow` says it. None in one that was only pushed to. */
  readonly cutOff: readonly ObjectId[]
}

export interface FetchSettings {
  /** http.uploadpack */
  readonly isEnabled: boolean
  /** Tips of hidden refs, too. */
  readonly allowsTips: boolean
  readonly allowsReachable: boolean
  /** Whatever is stored. For a repository alone in its network: the API doesn't set it, since forks share what is stored. */
  readonly allowsAny: boolean
  readonly filter: FilterSettings
  readonly allowsRefInWant: boolean
  readonly allowsSidebandAll: boolean
  readonly advertisesObjectInfo: boolean
  readonly advertisesBundleUris: boolean
  /** `bundle.*` as it is set: what the bundle-uri command answers. */
  readonly bundles: readonly (readonly [key: string, value: string])[]
  /** uploadpack.blobPackfileUri, unparsed: `<object> <pack> <uri>` each. */
  readonly blobPackfileUris: readonly string[]
  /** lsrefs.unborn */
  readonly unborn: 'advertise' | 'allow' | 'ignore'
  /** Between empty frames while nothing else is sent; 0: none are. */
  readonly keepAliveMs: number
  readonly promisors: { readonly isAdvertised: boolean; readonly sendFields: readonly string[]; readonly remotes: readonly Subsection[] }
}

export interface FilterSettings {
  readonly isAllowed: boolean
  /** Whether filters that have no key of their own are. */
  readonly fallback: boolean
  /** By the filter's name in the configuration: `blob:none`, `blob:limit`, `tree`, `sparse:oid`, `object:type`, `combine`. */
  readonly allowed: ReadonlyMap<string, boolean>
  /** uploadpackfilter.tree.maxDepth */
  readonly treeMaxDepth: number
}

export interface PushSettings {
  /** http.receivepack; null: not set, so that it takes a caller who said who he is. */
  readonly isEnabled: boolean | null
  readonly denyDeletes: boolean
  readonly denyNonFastForwards: boolean
  /** Null: not set, which refuses and says why. */
  readonly denyDeleteCurrent: 'ignore' | 'warn' | 'refuse' | null
  readonly advertisesAtomic: boolean
  readonly advertisesOptions: boolean
  /** Null: signed pushes are not offered. */
  readonly certNonceSeed: string | null
  readonly certNonceSlopS: number
  readonly fsck: { readonly isOn: boolean; readonly severities: ReadonlyMap<string, string>; readonly skip: readonly string[] }
  /** receive.maxInputSize; 0: the server's own limit alone. */
  readonly maxInputBytes: number
  /** receive.shallowUpdate */
  readonly allowsShallowUpdate: boolean
  readonly procReceiveRefs: readonly string[]
  readonly keepAliveMs: number
  /** stemma.adoptHead: an unborn HEAD moves to the first pushed branch. */
  readonly adoptsHead: boolean
}

const longestTimerMs = 2 ** 31 - 1

/** Where this server differs from git's own defaults. */
export const hostedDefaults: GitConfig = {
  'uploadpack.allowreachablesha1inwant': ['true'],
  'uploadpack.allowfilter': ['true'],
  'uploadpack.advertisebundleuris': ['true'],
  'transfer.advertiseobjectinfo': ['true'],
  'transfer.advertisesid': ['true'],
  'http.uploadarchive': ['true'],
  'receive.advertisepushoptions': ['true'],
  'receive.fsckobjects': ['true'],
  // three faults of old tools that harm nobody and stand in well-known histories (redis has zero-padded modes), where no push could mend them
  'receive.fsck.zeropaddedfilemode': ['warn'],
  'receive.fsck.badtimezone': ['warn'],
  'receive.fsck.missingspacebeforedate': ['warn'],
  'receive.shallowupdate': ['false'],
}

/** Read from values over defaults. InputError `git-setting` for a value that its key can't have, in git's words. */
export function readGitSettings(own: GitConfig, defaults: GitConfig = hostedDefaults): GitSettings {
  const config: GitConfig = { ...defaults, ...own }
  const all = (key: string) => config[key] ?? []
  return {
    config,
    hidden: {
      fetch: [...all('transfer.hiderefs'), ...all('uploadpack.hiderefs')],
      push: [...all('transfer.hiderefs'), ...all('receive.hiderefs')],
    },
    advertisesSessionId: readFlag(config, 'transfer.advertisesid', false),
    fetch: readFetch(config),
    push: readPush(config),
    archive: {
      isEnabled: lastValue(config, 'http.uploadarchive') === undefined ? null : readFlag(config, 'http.uploadarchive', false),
      allowsUnreachable: readFlag(config, 'uploadarchive.allowunreachable', false),
      umask: readUmask(config),
    },
    isDumb: readFlag(config, 'http.getanyfile', true),
    cutOff: (config['stemma.shallow'] ?? []) as readonly ObjectId[],
  }
}

/** `user` is the umask of whoever runs git there: here, what most have. Numbers as C has them: octal behind a zero. */
function readUmask(config: GitConfig): number {
  const value = lastValue(config, 'tar.umask') ?? '0002'
  if (value === 'user') return 0o022
  const digits = /^0([0-7]+)$/.exec(value)?.[1]
  return (digits === undefined ? readNumber(config, 'tar.umask', 0o002) : Number.parseInt(digits, 8)) & 0o777
}

function readFetch(config: GitConfig): FetchSettings {
  const allowsAny = readFlag(config, 'uploadpack.allowanysha1inwant', false)
  const flag = (name: string) => readFlag(config, `uploadpack.${name}`, false)
  return {
    isEnabled: readFlag(config, 'http.uploadpack', true),
    allowsTips: allowsAny || flag('allowtipsha1inwant'),
    allowsReachable: allowsAny || flag('allowreachablesha1inwant'),
    allowsAny,
    filter: readFilters(config),
    allowsRefInWant: flag('allowrefinwant'),
    allowsSidebandAll: flag('allowsidebandall'),
    advertisesObjectInfo: readFlag(config, 'transfer.advertiseobjectinfo', false),
    advertisesBundleUris: flag('advertisebundleuris'),
    bundles: Object.entries(config).flatMap(([key, values]) =>
      key.startsWith('bundle.') ? values.map((value) => [key, value] as const) : [],
    ),
    blobPackfileUris: config['uploadpack.blobpackfileuri'] ?? [],
    unborn: readWord(config, 'lsrefs.unborn', ['advertise', 'allow', 'ignore'], 'advertise'),
    keepAliveMs: readKeepAlive(config, 'uploadpack.keepalive'),
    promisors: {
      isAdvertised: readFlag(config, 'promisor.advertise', false),
      sendFields: (lastValue(config, 'promisor.sendfields') ?? '').split(/[\s,]+/).filter((field) => field !== ''),
      remotes: subsections(config, 'remote'),
    },
  }
}

/** In milliseconds. A timer that is asked to wait longer than it can count doesn't wait at all. */
function readKeepAlive(config: GitConfig, key: string): number {
  return Math.min(readNumber(config, key, 5) * 1000, longestTimerMs)
}

function readFilters(config: GitConfig): FilterSettings {
  const allowed = new Map<string, boolean>()
  for (const { name, values } of subsections(config, 'uploadpackfilter')) {
    if (values.allow !== undefined) allowed.set(name, readFlag(values, 'allow', true))
    else if (name === 'tree' && values.maxdepth !== undefined) allowed.set(name, true) // as git: a limit allows what it limits
  }
  return {
    isAllowed: readFlag(config, 'uploadpack.allowfilter', false),
    fallback: readFlag(config, 'uploadpackfilter.allow', true),
    allowed,
    treeMaxDepth: readNumber(config, 'uploadpackfilter.tree.maxdepth', Number.MAX_SAFE_INTEGER),
  }
}

function readPush(config: GitConfig): PushSettings {
  const flag = (name: string, unset: boolean) => readFlag(config, `receive.${name}`, unset)
  return {
    isEnabled: config['http.receivepack'] === undefined ? null : readFlag(config, 'http.receivepack', false),
    denyDeletes: flag('denydeletes', false),
    denyNonFastForwards: flag('denynonfastforwards', false),
    denyDeleteCurrent: readDenial(config),
    advertisesAtomic: flag('advertiseatomic', true),
    advertisesOptions: flag('advertisepushoptions', false),
    certNonceSeed: lastValue(config, 'receive.certnonceseed') ?? null,
    certNonceSlopS: readNumber(config, 'receive.certnonceslop', 0),
    fsck: readFsck(config),
    maxInputBytes: readNumber(config, 'receive.maxinputsize', 0),
    allowsShallowUpdate: flag('shallowupdate', false),
    procReceiveRefs: config['receive.procreceiverefs'] ?? [],
    keepAliveMs: readKeepAlive(config, 'receive.keepalive'),
    adoptsHead: readFlag(config, 'stemma.adopthead', true),
  }
}

function readDenial(config: GitConfig): PushSettings['denyDeleteCurrent'] {
  if (config['receive.denydeletecurrent'] === undefined) return null
  const words = ['ignore', 'warn', 'refuse', 'updateinstead', 'true', 'false'] as const
  const word = readWord(config, 'receive.denydeletecurrent', words, 'refuse')
  return word === 'warn' ? word : word === 'ignore' || word === 'false' ? 'ignore' : 'refuse'
}

function readFsck(config: GitConfig): PushSettings['fsck'] {
  const severities = new Map<string, string>()
  for (const [name, values] of Object.entries(config)) {
    const id = /^receive\.fsck\.([a-z]+)$/.exec(name)?.[1]
    if (id !== undefined && id !== 'skiplist') severities.set(id, values.at(-1) ?? '')
  }
  return {
    isOn: readFlag(config, 'receive.fsckobjects', readFlag(config, 'transfer.fsckobjects', false)),
    severities,
    skip: config['receive.fsck.skiplist'] ?? [],
  }
}

const mostKept = 256

/** The settings of repositories, read once for each different text. Keep one for each server. */
export class SettingsReader {
  readonly #kept = new Map<string, GitSettings>()

  /** @param own a repository's `settings`. Errors as `readGitSettings`. */
  read(own: GitConfig): GitSettings {
    const key = createHash('sha1').update(JSON.stringify(own)).digest('base64')
    const known = this.#kept.get(key)
    if (known) return known
    const settings = readGitSettings(own)
    this.#kept.set(key, settings)
    if (this.#kept.size > mostKept) this.#kept.delete(this.#kept.keys().next().value as string)
    return settings
  }
}
