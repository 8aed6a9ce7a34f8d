// A repository's config file as keys and values (git-config(1)). Values are UTF-8 text; keys are `section.key` or `section.subsection.key`,
// section and key in small letters. Files that it includes are not read: they are another machine's, and seldom bear on a repository's content.
import { asBuffer, InputError, latin1 } from '../../base/index.ts'
import { parseConfig } from '../format/fsck/config.ts'
import { parseFlag } from '../settings/index.ts'

/** Every value of each key, in the order of the file; a key without `=` counts as `true`. */
export type DiskSettings = ReadonlyMap<string, readonly string[]>

/** Reads a whole config file. InputError `disk-config`, which names the file, when git could not read it either. */
export function parseSettings(bytes: Uint8Array, path: string): DiskSettings {
  const { entries, isWhole } = parseConfig(latin1(bytes))
  if (!isWhole) throw new InputError('disk-config', `${path}: bad config line behind ${entries.length} good entries`)
  const settings = new Map<string, string[]>()
  for (const { section, key, value } of entries) {
    const name = utf8Of(`${section.prefix}${key}`)
    const values = settings.get(name) ?? []
    values.push(value === null ? 'true' : utf8Of(value))
    settings.set(name, values)
  }
  return settings
}

/** The value that counts: the last one. */
export function setting(settings: DiskSettings, key: string): string | null {
  return settings.get(key)?.at(-1) ?? null
}

/** As git reads a truth value; null when it isn't set, or is none. */
export function truth(settings: DiskSettings, key: string): boolean | null {
  const value = setting(settings, key)
  return value === null ? null : parseFlag(value)
}

function utf8Of(text: string): string {
  return asBuffer(Buffer.from(text, 'latin1')).toString('utf8')
}
