// How a repository wants pushed objects to be judged: receive.fsckObjects, receive.fsck.<msg-id> and receive.fsck.skipList (git-config(1)).
import { InputError } from '../../base/index.ts'
import { defaultSeverity, type FsckId, type ObjectFormat, type ObjectId, parseFsckId, parseObjectId, printable } from '../format/index.ts'
import type { FsckSettings } from '../index-pack/index.ts'
import type { PushSettings } from '../settings/index.ts'

export interface PushFsck {
  /** Null: objects are not judged. */
  readonly settings: FsckSettings | null
  /** For the pusher, as git prints them. */
  readonly warnings: readonly string[]
}

const severities = { error: 'error', warn: 'warning', ignore: 'ignore' } as const

/**
 * InputError `fsck-settings`, in git's words, when a fatal id is to be lowered, a severity is none, or the skip list holds something that
 * is no object id: git refuses every push then, too.
 */
export function pushFsckOf({ isOn, severities: chosen, skip }: PushSettings['fsck'], format: ObjectFormat): PushFsck {
  const warnings: string[] = []
  const known: Partial<Record<FsckId, 'error' | 'warning' | 'ignore'>> = {}
  for (const [name, value] of chosen) {
    const id = parseFsckId(name)
    if (id === null) {
      warnings.push(`warning: skipping unknown msg id '${printable(name)}'`)
      continue
    }
    if (!Object.hasOwn(severities, value)) throw new InputError('fsck-settings', `Unknown fsck message type: '${printable(value)}'`)
    const severity = severities[value as keyof typeof severities]
    if (isOn && severity !== 'error' && defaultSeverity(id) === 'fatal') {
      throw new InputError('fsck-settings', `Cannot demote ${name} to ${value}`)
    }
    known[id] = severity
  }
  if (!isOn) return { settings: null, warnings }
  return { settings: { severities: known, skip: skip.flatMap((line) => skipped(line, format)) }, warnings }
}

/** One line of a skip list: an id, or nothing but a comment. */
function skipped(line: string, format: ObjectFormat): ObjectId[] {
  const text = line.replace(/#.*$/s, '').trim()
  if (text === '') return []
  const oid = parseObjectId(text.toLowerCase(), format)
  if (oid === null) throw new InputError('fsck-settings', `invalid object name: ${printable(text)}`)
  return [oid]
}
