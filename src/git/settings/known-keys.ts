// Which of git's configuration keys a hosted repository may set: those that some part of this server reads. Anything else is refused, so that
// a slip of the pen isn't a switch that silently does nothing.
import { InputError } from '../../base/index.ts'
import { type GitConfig, normalKey } from './git-config.ts'
import { readGitSettings } from './git-settings.ts'

const sections = {
  transfer: 'hiderefs advertisesid advertiseobjectinfo fsckobjects',
  http: 'uploadpack receivepack uploadarchive getanyfile',
  uploadpack:
    'allowtipsha1inwant allowreachablesha1inwant allowfilter allowrefinwant allowsidebandall hiderefs keepalive advertisebundleuris blobpackfileuri',
  receive:
    'hiderefs denydeletes denynonfastforwards denydeletecurrent advertiseatomic advertisepushoptions certnonceseed certnonceslop fsckobjects' +
    ' maxinputsize shallowupdate keepalive',
  uploadpackfilter: 'allow tree.maxdepth',
  lsrefs: 'unborn',
  uploadarchive: 'allowunreachable',
  tar: 'umask',
  bundle: 'version mode heuristic',
  promisor: 'advertise sendfields',
  stemma: 'adopthead',
}
const keys: ReadonlySet<string> = new Set(
  Object.entries(sections).flatMap(([section, names]) => names.split(' ').map((name) => `${section}.${name}`)),
)
const patterns = [
  /^receive\.fsck\.[a-z]+$/,
  /^uploadpackfilter\.(blob:none|blob:limit|tree|sparse:oid|object:type|combine)\.allow$/,
  /^bundle\..+\.(uri|creationtoken|filter|location)$/s,
  /^remote\..+\.(url|promisor|partialclonefilter|token)$/s,
]
const mostValues = 1000
/** Each ref is compared with each of these patterns, on the thread that serves everybody. */
const refPatterns = { keys: /^\w+\.hiderefs$/, mostValues: 100, mostBytes: 1000 }
const mostBytes = 256 << 10

/**
 * The settings with those changed: an empty list takes a key away.
 * InputError `git-setting` when a key is unknown or a value is none that it can have.
 */
export function changeSettings(present: GitConfig, changes: GitConfig): GitConfig {
  const next: Record<string, readonly string[]> = { ...present }
  for (const [given, values] of Object.entries(changes)) {
    const key = normalKey(given)
    if (!keys.has(key) && !patterns.some((pattern) => pattern.test(key))) throw unknownSetting(given)
    const most = refPatterns.keys.test(key) ? refPatterns.mostValues : mostValues
    if (values.length > most) throw new InputError('git-setting', `${given} has more than ${most} values`)
    if (refPatterns.keys.test(key) && values.some((value) => value.length > refPatterns.mostBytes)) {
      throw new InputError('git-setting', `${given}: a pattern has ${refPatterns.mostBytes} characters at most`)
    }
    if (values.some((value) => /[\0\n]/.test(value))) throw new InputError('git-setting', `${given}: a value is one line of text`)
    if (values.length === 0) delete next[key]
    else next[key] = [...values]
  }
  if (JSON.stringify(next).length > mostBytes) throw new InputError('git-setting', `the settings take more than ${mostBytes} bytes`)
  readGitSettings(next)
  return next
}

function unknownSetting(given: string): InputError {
  if (normalKey(given) === 'stemma.protectedrefs') {
    return new InputError('git-setting', `${given} is no setting any more: protected refs are rules (POST /repos/{owner}/{repo}/ref-rules)`)
  }
  const section = given.split('.', 1)[0]?.toLowerCase() ?? ''
  const known = Object.entries(sections).find(([name]) => name === section)
  const instead = known
    ? `of ${section} there are: ${known[1].replaceAll(' ', ', ')}`
    : `there are those of ${Object.keys(sections).join(', ')}`
  return new InputError('git-setting', `${given} is no setting here; ${instead}`)
}
