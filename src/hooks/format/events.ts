// Events by GitHub's names: those that a hook may ask for, and what is known of one that happened.

/** What a repository tells. GitHub has more names; a hook may ask for those, too (tools ask for all that they know), and never gets one. */
export const toldEvents = [
  'push',
  'create',
  'delete',
  'fork',
  'repository',
  'member',
  'organization',
  'package',
  'registry_package',
] as const

const otherEvents = [
  'branch_protection_configuration branch_protection_rule check_run check_suite code_scanning_alert commit_comment custom_property',
  'custom_property_values dependabot_alert deploy_key deployment deployment_review deployment_status discussion discussion_comment gollum',
  'issue_comment issues label membership merge_group meta milestone org_block page_build project project_card',
  'project_column public pull_request pull_request_review pull_request_review_comment pull_request_review_thread release',
  'repository_import repository_ruleset repository_vulnerability_alert secret_scanning_alert secret_scanning_alert_location',
  'security_and_analysis star status sub_issues team team_add watch workflow_dispatch workflow_job workflow_run',
]
  .join(' ')
  .split(' ')

/** `*` stands for all, also for those to come. */
export const knownEvents: ReadonlySet<string> = new Set(['*', ...toldEvents, ...otherEvents])

/** An event as it is sent, to however many hooks. */
export interface HookEvent {
  readonly event: string
  /** Where the event has one: `created`, `renamed`, … */
  readonly action: string | null
  /** Of CloudEvents, as its GitHub adapter has them. */
  readonly type: string
  readonly source: string
  readonly subject: string | null
  /** GitHub's payload. */
  readonly payload: Readonly<Record<string, unknown>>
}

export function isWanted(hook: { readonly events: readonly string[] }, event: string): boolean {
  return event === 'ping' || hook.events.includes('*') || hook.events.includes(event)
}
