// A URL that lets whoever has it read one key until it ends: AWS's Signature Version 4 in the query (docs.aws.amazon.com, "Authenticating Requests: Using Query Parameters").
// Pure. S3 and Ceph RGW take it alike; the client may send a Range of its own with it.
import { createHash, createHmac } from 'node:crypto'

export interface Signer {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of credentials that end by themselves: the URL ends with them. */
  readonly sessionToken?: string | undefined
  readonly region: string
}

export interface SignedGet {
  /** Of the key, as the client will ask for it; nothing in its query. */
  readonly url: URL
  readonly at: Date
  readonly lifetimeS: number
  /** Answered as Content-Type and the like: `response-content-type` → its value. */
  readonly answer?: Readonly<Record<string, string>>
}

export function signGet(signer: Signer, { url, at, lifetimeS, answer = {} }: SignedGet): string {
  const time = at.toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const day = time.slice(0, 8)
  const scope = `${day}/${signer.region}/s3/aws4_request`
  const query: Record<string, string> = {
    ...answer,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${signer.accessKeyId}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': String(lifetimeS),
    ...(signer.sessionToken === undefined ? {} : { 'X-Amz-Security-Token': signer.sessionToken }),
    'X-Amz-SignedHeaders': 'host',
  }
  const pairs = Object.entries(query).map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
  const canonicalQuery = pairs.toSorted().join('&')
  const canonical = ['GET', url.pathname, canonicalQuery, `host:${url.host}`, '', 'host', 'UNSIGNED-PAYLOAD'].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const key = [day, signer.region, 's3', 'aws4_request'].reduce<Buffer | string>(hmac, `AWS4${signer.secretAccessKey}`)
  return `${url.origin}${url.pathname}?${canonicalQuery}&X-Amz-Signature=${hmac(key, toSign).toString('hex')}`
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** All but letters, digits and `-._~` (RFC 3986). */
function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}
