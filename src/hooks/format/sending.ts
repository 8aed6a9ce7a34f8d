// A delivery as the request that is sent: body, headers, signature. GitHub's way ("Webhook events and payloads", delivery headers), and
// CloudEvents 1.0 over HTTP in structured and in binary mode. Pure.
import { createHmac } from 'node:crypto'
import { latin1, utf8 } from '../../base/index.ts'

export const contentTypes = ['json', 'form', 'cloudevents', 'cloudevents-binary'] as const
export type ContentType = (typeof contentTypes)[number]

export interface Delivery {
  readonly guid: string
  readonly hookId: number
  readonly target: { readonly kind: 'repository' | 'organization'; readonly id: number }
  readonly contentType: ContentType
  /** Null: it isn't signed. */
  readonly secret: string | null
  readonly event: string
  readonly type: string
  readonly source: string
  readonly subject: string | null
  readonly at: Date
  /** JSON, as it is sent. */
  readonly payload: string
}

export interface Sending {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** @param agent `stemma/0.1.0` */
export function sendingOf(delivery: Delivery, agent: string): Sending {
  const { body, headers } = contentOf(delivery)
  const bytes = utf8(body)
  return {
    body: bytes,
    headers: {
      accept: '*/*',
      'user-agent': `${agent} webhooks`,
      'content-length': String(bytes.length),
      'x-github-delivery': delivery.guid,
      'x-github-event': delivery.event,
      'x-github-hook-id': String(delivery.hookId),
      'x-github-hook-installation-target-id': String(delivery.target.id),
      'x-github-hook-installation-target-type': delivery.target.kind,
      ...headers,
      ...(delivery.secret === null ? {} : signatures(delivery.secret, bytes)),
    },
  }
}

/** Of the body as it is sent. SHA-1 is for receivers from before 2019; GitHub sends both. */
export function signatures(secret: string, body: Uint8Array): Readonly<Record<string, string>> {
  const mac = (hash: string) => createHmac(hash, secret).update(body).digest('hex')
  return { 'x-hub-signature': `sha1=${mac('sha1')}`, 'x-hub-signature-256': `sha256=${mac('sha256')}` }
}

function contentOf(delivery: Delivery): { readonly body: string; readonly headers: Readonly<Record<string, string>> } {
  const { payload } = delivery
  switch (delivery.contentType) {
    case 'json':
      return { body: payload, headers: { 'content-type': 'application/json' } }
    case 'form':
      return { body: new URLSearchParams({ payload }).toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' } }
    case 'cloudevents': {
      const attributes = JSON.stringify({ ...attributesOf(delivery), datacontenttype: 'application/json' })
      const body = `${attributes.slice(0, -1)},"data":${payload}}` // the payload is JSON already
      return { body, headers: { 'content-type': 'application/cloudevents+json; charset=UTF-8' } }
    }
    case 'cloudevents-binary': {
      const headers = Object.entries(attributesOf(delivery)).map(([name, value]) => [`ce-${name}`, headerValue(value)] as const)
      return { body: payload, headers: { 'content-type': 'application/json', ...Object.fromEntries(headers) } }
    }
  }
}

function attributesOf({ guid, source, type, subject, at }: Delivery): Readonly<Record<string, string>> {
  return { specversion: '1.0', id: guid, source, type, ...(subject === null ? {} : { subject }), time: at.toISOString() }
}

/** Space, `"`, `%` and what isn't printable ASCII stand as their UTF-8 bytes in percent (HTTP protocol binding, 3.1.3.2). */
function headerValue(value: string): string {
  return latin1(utf8(value)).replaceAll(/[^!#-$&-~]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}
