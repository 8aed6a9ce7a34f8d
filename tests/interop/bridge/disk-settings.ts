// A disk repository's configuration as settings of a hosted one: what bears on the protocol, with git's own defaults where nothing is set.
import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { text } from './disk-refs.ts'
import { runGit } from './git-process.ts'
import type { DiskPlace } from './place.ts'

export type SettingValues = Readonly<Record<string, readonly string[]>>

const sections =
  /^(?:uploadpack|receive|transfer|http|bundle|promisor|remote|uploadpackfilter|lsrefs|extensions|core|fsck|tar|uploadarchive|gpg|pack)\./

/** Where a hosted repository differs from git until somebody says otherwise. */
const gitDefaults: SettingValues = {
  'uploadpack.allowtipsha1inwant': ['false'],
  'uploadpack.allowreachablesha1inwant': ['false'],
  'uploadpack.allowfilter': ['false'],
  'uploadpack.allowrefinwant': ['false'],
  'uploadpack.advertisebundleuris': ['false'],
  'transfer.advertiseobjectinfo': ['false'],
  'transfer.advertisesid': ['false'],
  'http.uploadarchive': [], // whoever said who he is
  'receive.advertisepushoptions': ['false'],
  'receive.shallowupdate': ['false'],
  'stemma.adopthead': ['false'],
}

export interface DiskConfig {
  /** By git's names in small letters, subsections as they are; every value in order. */
  readonly values: SettingValues
  readonly objectFormat: 'sha1' | 'sha256'
}

const kept = new Map<string, { readonly file: string; readonly config: DiskConfig }>()

/** The configuration file of the repository; git reads it anew whenever its text has changed. */
export async function readConfig(place: DiskPlace): Promise<DiskConfig> {
  const path = join(place.gitDir, 'config')
  const file = text(path)
  const known = kept.get(place.gitDir)
  if (known?.file === file) return known.config
  const { stdout } = await runGit(place, ['config', '--file', path, '--includes', '--list', '-z'])
  const values: Record<string, string[]> = {}
  for (const entry of stdout.toString().split('\0')) {
    if (entry === '') continue
    const end = entry.indexOf('\n')
    const key = end < 0 ? entry : entry.slice(0, end)
    ;(values[key] ??= []).push(end < 0 ? 'true' : entry.slice(end + 1))
  }
  const config: DiskConfig = { values, objectFormat: values['extensions.objectformat']?.at(-1) === 'sha256' ? 'sha256' : 'sha1' }
  if (!/^\s*\[\s*include/im.test(file)) kept.set(place.gitDir, { file, config })
  return config
}

/** The settings of the hosted repository. `environment` is the CGI's: git lets some of it overrule the configuration. */
export function hostedSettings(place: DiskPlace, { values }: DiskConfig, environment: ReadonlyMap<string, string>): SettingValues {
  const settings: Record<string, readonly string[]> = { ...gitDefaults }
  for (const [key, list] of Object.entries(values)) if (sections.test(key)) settings[key] = list
  settings['receive.fsckobjects'] ??= values['transfer.fsckobjects'] ?? ['false']
  const skip = settings['receive.fsck.skiplist']?.at(-1)
  if (skip !== undefined) settings['receive.fsck.skiplist'] = skipList(place.gitDir, skip)
  if (/^(?:1|true|yes|on)$/i.test(environment.get('GIT_TEST_SIDEBAND_ALL') ?? '')) settings['uploadpack.allowsidebandall'] = ['true']
  return settings
}

/** On disk a file, hosted the ids themselves. */
function skipList(gitDir: string, path: string): string[] {
  const file = isAbsolute(path) ? path : join(gitDir, path)
  // what git would say becomes an entry that the server refuses, since it is no object's name
  if (!existsSync(file)) return [`could not open object name list: ${path}`]
  return text(file)
    .split('\n')
    .filter((line) => line !== '')
}
