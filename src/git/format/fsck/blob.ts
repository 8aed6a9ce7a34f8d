// fsck of the blobs that git itself reads out of a work tree: `.gitmodules` and `.gitattributes`.
import { latin1 } from '../../../base/index.ts'
import { parseConfig } from './config.ts'
import { add, type Finding, type FsckOptions, newReport, type Report, type SpecialRole } from './finding.ts'
import { isSafeSubmoduleName, isSafeSubmoduleUrl } from './submodule-url.ts'

/** Larger `.gitattributes` are an error (git's ATTR_MAX_FILE_SIZE). */
export const MAX_GITATTRIBUTES_BYTES = 100 * 1024 * 1024
/** Lines from this length on are an error (git's ATTR_MAX_LINE_LENGTH). */
const MAX_GITATTRIBUTES_LINE = 2048
/** git calls `.gitmodules` too large when it is above core.bigFileThreshold (512 MiB): then it doesn't load it. */
export const MAX_GITMODULES_BYTES = 512 * 1024 * 1024

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
  for (const { name, value } of entries) {
    if (!name.startsWith('submodule.')) continue
    const dot = name.lastIndexOf('.')
    if (dot < 'submodule.'.length) continue
    const submodule = name.slice('submodule.'.length, dot)
    const key = name.slice(dot + 1)
    if (!isSafeSubmoduleName(submodule)) add(report, 'gitmodulesName', `disallowed submodule name: ${submodule}`)
    if (value === null) continue
    if (key === 'url' && !isSafeSubmoduleUrl(value)) add(report, 'gitmodulesUrl', `disallowed submodule url: ${value}`)
    if (key === 'path' && value.startsWith('-')) add(report, 'gitmodulesPath', `disallowed submodule path: ${value}`)
    if (key === 'update' && value.startsWith('!')) add(report, 'gitmodulesUpdate', `disallowed submodule update setting: ${value}`)
  }
  if (!isWhole) add(report, 'gitmodulesParse', 'could not parse gitmodules blob')
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
