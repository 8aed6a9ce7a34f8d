// fsck of the blobs that git itself reads out of a work tree: `.gitmodules` and `.gitattributes`.
import { latin1 } from '../../../base/index.ts'
import { type ConfigSection, parseConfig } from './config.ts'
import { add, type Finding, type FsckOptions, newReport, type Report, type SpecialRole } from './finding.ts'
import { isSafeSubmoduleName, isSafeSubmoduleUrl } from './submodule-url.ts'

/** Larger `.gitattributes` are an error (git's ATTR_MAX_FILE_SIZE). */
export const MAX_GITATTRIBUTES_BYTES = 100 * 1024 * 1024
/** Lines from this length on are an error (git's ATTR_MAX_LINE_LENGTH). */
const MAX_GITATTRIBUTES_LINE = 2048
/** Larger `.gitmodules` are an error. git's own limit is what it loads at all (512 MiB); the largest real ones have some hundred KiB. */
export const MAX_GITMODULES_BYTES = 16 * 1024 * 1024
/** Characters of a client's text in a message. */
const MAX_SHOWN = 1000

/** Adds a blob's findings to the report, for the roles in its options. */
export function fsckBlob(bytes: Uint8Array, report: Report): void {
  const roles = report.options.roles ?? []
  if (roles.includes('gitmodules')) {
    if (bytes.length > MAX_GITMODULES_BYTES) add(report, 'gitmodulesLarge', '.gitmodules too large to parse')
    else fsckGitmodules(latin1(bytes), report)
  }
  if (roles.includes('gitattributes')) fsckGitattributes(bytes, report)
}

/** The finding for a `.gitmodules` or `.gitattributes` entry whose object is too large to hold, is no blob, or can't be found. */
export function fsckSpecial(role: SpecialRole, problem: 'large' | 'not-a-blob' | 'missing', options: FsckOptions = {}): Finding[] {
  const report = newReport(options)
  const isModules = role === 'gitmodules'
  if (problem === 'large') add(report, isModules ? 'gitmodulesLarge' : 'gitattributesLarge', `.${role} too large to parse`)
  else if (problem === 'not-a-blob') add(report, isModules ? 'gitmodulesBlob' : 'gitattributesBlob', `non-blob found at .${role}`)
  else add(report, isModules ? 'gitmodulesMissing' : 'gitattributesMissing', `unable to read .${role} blob`)
  return report.findings
}

function fsckGitmodules(text: string, report: Report): void {
  const { entries, isWhole } = parseConfig(text)
  let section: ConfigSection | null = null
  let submodule: Submodule | null = null
  for (const entry of entries) {
    if (entry.section !== section) {
      section = entry.section
      submodule = submoduleOf(section)
    }
    if (submodule !== null) fsckSetting(submodule, submodule.key ?? entry.key, entry.value, report)
  }
  if (!isWhole) add(report, 'gitmodulesParse', 'could not parse gitmodules blob')
}

interface Submodule {
  readonly name: string
  readonly isSafe: boolean
  /** The key of all entries, where a NUL in the section cuts theirs off. */
  readonly key: string | null
}

/** The submodule that a section is about; null when it is about none. */
function submoduleOf({ prefix }: ConfigSection): Submodule | null {
  const nul = prefix.indexOf('\0')
  const variable = nul === -1 ? prefix : prefix.slice(0, nul)
  const dot = variable.lastIndexOf('.')
  if (!variable.startsWith('submodule.') || dot < 'submodule.'.length) return null
  const name = variable.slice('submodule.'.length, dot)
  return { name: name.slice(0, MAX_SHOWN), isSafe: isSafeSubmoduleName(name), key: nul === -1 ? null : variable.slice(dot + 1) }
}

function fsckSetting({ name, isSafe }: Submodule, key: string, value: string | null, report: Report): void {
  if (!isSafe) add(report, 'gitmodulesName', `disallowed submodule name: ${name}`)
  if (value === null) return
  const shown = value.slice(0, MAX_SHOWN)
  if (key === 'url' && !isSafeSubmoduleUrl(value)) add(report, 'gitmodulesUrl', `disallowed submodule url: ${shown}`)
  if (key === 'path' && value.startsWith('-')) add(report, 'gitmodulesPath', `disallowed submodule path: ${shown}`)
  if (key === 'update' && value.startsWith('!')) add(report, 'gitmodulesUpdate', `disallowed submodule update setting: ${shown}`)
}

function fsckGitattributes(bytes: Uint8Array, report: Report): void {
  if (bytes.length > MAX_GITATTRIBUTES_BYTES) {
    add(report, 'gitattributesLarge', '.gitattributes too large to parse')
    return
  }
  // git reads up to the first NUL.
  const nul = bytes.indexOf(0)
  const end = nul === -1 ? bytes.length : nul
  for (let at = 0; at < end; ) {
    const newline = bytes.indexOf(0x0a, at)
    const lineEnd = newline === -1 || newline > end ? end : newline
    if (lineEnd - at >= MAX_GITATTRIBUTES_LINE) {
      add(report, 'gitattributesLineLength', '.gitattributes has too long lines to parse')
      return
    }
    at = lineEnd + 1
  }
}
