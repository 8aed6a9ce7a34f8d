// As whom PostgreSQL runs. It refuses to run as root, so a server that is root starts it as `nobody` (65534; initdb wants a uid that has
// a name). That uid can't come to a data folder below a private folder such as /root. Permissions of folders that aren't ours stay as
// they are: instead the process keeps one capability, to pass through folders (CAP_DAC_READ_SEARCH, or CAP_DAC_OVERRIDE where containers
// grant only that), with everything else dropped from its bounding set. Files that it writes must still be its own.
// setpriv (util-linux) does all this, and asks the kernel to send SIGINT (PostgreSQL's fast shutdown) when our process dies.
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { UnavailableError } from '../../base/index.ts'

const NOBODY = 65534
const capabilityBits = { dac_read_search: 2, dac_override: 1 } as const
type Capability = keyof typeof capabilityBits

export interface Identity {
  /** Owner of the cluster's files. */
  readonly uid: number
  readonly gid: number
  /** True when files must be handed over to that uid. */
  readonly isOther: boolean
  /** The command line that runs a program as this identity. */
  command(program: string, args: readonly string[]): { readonly program: string; readonly args: readonly string[] }
}

/** Decides as whom to run programs that use these folders. UnavailableError, with what to do, when there is no way. */
export function chooseIdentity(folders: readonly string[]): Identity {
  const setpriv = findSetpriv()
  const uid = process.geteuid?.() ?? -1
  if (uid !== 0) {
    const wrap = setpriv === null ? null : [setpriv, '--pdeathsig', 'INT']
    return { uid, gid: process.getegid?.() ?? -1, isOther: false, command: (program, args) => wrapped(wrap, program, args) }
  }
  if (setpriv === null) {
    throw new UnavailableError(
      'no-setpriv',
      'PostgreSQL cannot run as root, and the command setpriv (Debian package util-linux) that would start it as an unprivileged user is ' +
        'missing: install it, run Stemma as an ordinary user, or set DATABASE_URL',
    )
  }
  const wrap = [setpriv, '--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups', '--pdeathsig', 'INT']
  const closed = folders.map(closedAncestor).find((folder) => folder !== null)
  if (closed !== undefined) wrap.push(...passThroughFlags(closed))
  return { uid: NOBODY, gid: NOBODY, isOther: true, command: (program, args) => wrapped(wrap, program, args) }
}

function wrapped(wrap: readonly string[] | null, program: string, args: readonly string[]): { program: string; args: readonly string[] } {
  const [first, ...rest] = wrap ?? []
  return first === undefined ? { program, args } : { program: first, args: [...rest, program, ...args] }
}

/** setpriv's flags that leave just one capability. Without no_setuid_fixup access(2) would ignore it, and PostgreSQL asks access(2). */
function passThroughFlags(closed: string): string[] {
  const capability = (Object.keys(capabilityBits) as Capability[]).find(holdsCapability)
  if (capability === undefined) {
    throw new UnavailableError(
      'closed-folder',
      `PostgreSQL must run as an unprivileged user (uid ${NOBODY}), which may not enter ${closed}; the capability to let it pass ` +
        '(CAP_DAC_READ_SEARCH) is not ours to give here. Use a --data folder (and a checkout) that everyone may pass through, run Stemma ' +
        'as an ordinary user, or set DATABASE_URL',
    )
  }
  const only = `-all,+${capability}`
  return ['--securebits=+no_setuid_fixup', `--inh-caps=${only}`, `--ambient-caps=${only}`, `--bounding-set=${only}`]
}

function holdsCapability(capability: Capability): boolean {
  const status = readFileSync('/proc/self/status', 'latin1')
  const bit = 1n << BigInt(capabilityBits[capability])
  return ['CapPrm', 'CapBnd'].every((name) => {
    const value = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1]
    return value !== undefined && (BigInt(`0x${value}`) & bit) !== 0n
  })
}

/** The folder nearest to the root that others may not pass through, or null. What doesn't exist yet, or is nobody's already, counts as open. */
function closedAncestor(folder: string): string | null {
  const ancestors: string[] = []
  for (let at = folder; ; at = dirname(at)) {
    ancestors.unshift(at)
    if (dirname(at) === at) break
  }
  return (
    ancestors.find((at) => {
      const stat = statSync(at, { throwIfNoEntry: false })
      if (stat === undefined) return false
      return stat.uid === NOBODY ? (stat.mode & 0o100) === 0 : (stat.mode & 0o001) === 0
    }) ?? null
  )
}

function findSetpriv(): string | null {
  for (const path of ['/usr/bin/setpriv', '/bin/setpriv']) {
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // the next one
    }
  }
  return null
}
