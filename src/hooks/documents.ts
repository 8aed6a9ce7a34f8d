// A hook as GitHub's document (REST "Webhooks"). `content_type` has our own values beside `json` and `form`.
import type { ContentType } from './format/sending.ts'
import type { Hook } from './hooks.ts'

/** Shown for a secret that is there. */
export const hiddenSecret = '********'

export interface HookConfigJson {
  readonly content_type: ContentType
  readonly insecure_ssl: '0' | '1'
  readonly url: string
  readonly secret?: string
}

export interface HookDocument {
  readonly type: 'Repository' | 'Organization'
  readonly id: number
  readonly name: 'web'
  readonly active: boolean
  readonly events: string[]
  readonly config: HookConfigJson
  readonly updated_at: string
  readonly created_at: string
  readonly url: string
  readonly ping_url: string
  readonly deliveries_url: string
  readonly test_url?: string
  readonly last_response?: { readonly code: number | null; readonly status: string; readonly message: string | null }
}

/** @param home the URL of whose hook it is, in the API */
export function hookDocument(
  hook: Hook,
  home: string,
  last?: { readonly statusCode: number | null; readonly status: string },
): HookDocument {
  const url = `${home}/hooks/${hook.id}`
  const isRepository = 'repositoryId' in hook.owner
  return {
    type: isRepository ? 'Repository' : 'Organization',
    id: hook.id,
    name: 'web',
    active: hook.isActive,
    events: [...hook.events],
    config: hookConfig(hook),
    updated_at: seconds(hook.updatedAt),
    created_at: seconds(hook.createdAt),
    url,
    ping_url: `${url}/pings`,
    deliveries_url: `${url}/deliveries`,
    ...(isRepository ? { test_url: `${url}/tests`, last_response: lastResponse(last) } : {}),
  }
}

export function hookConfig({ contentType, insecureSsl, url, hasSecret }: Hook): HookConfigJson {
  return { content_type: contentType, insecure_ssl: insecureSsl ? '1' : '0', url, ...(hasSecret ? { secret: hiddenSecret } : {}) }
}

function lastResponse(last: { readonly statusCode: number | null; readonly status: string } | undefined) {
  if (last === undefined) return { code: null, status: 'unused', message: null }
  const isTaken = last.status === 'OK'
  const status = isTaken ? 'active' : last.statusCode === null ? 'connection_error' : 'invalid_http_response'
  return { code: last.statusCode, status, message: last.status }
}

function seconds(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z')
}
