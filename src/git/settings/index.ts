// settings: what a repository does differently, under the names of git's own configuration.
export {
  type GitConfig,
  lastValue,
  normalKey,
  parseFlag,
  parseNumber,
  readFlag,
  readNumber,
  readWord,
  type Subsection,
  subsections,
} from './git-config.ts'
export {
  type FetchSettings,
  type FilterSettings,
  type GitSettings,
  hostedDefaults,
  type PushSettings,
  readGitSettings,
  SettingsReader,
} from './git-settings.ts'
export { changeSettings } from './known-keys.ts'
