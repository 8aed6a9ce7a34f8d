// Several nodes on one PostgreSQL and one S3 bucket, behind a proxy that gives each request to the next of them: what must look like one server.
// The database and the bucket are fresh, and go at the end. The environment says where both are (`devenv/with-ceph`).
import { randomBytes } from 'node:crypto'
import { DeleteBucketCommand, DeleteObjectsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { AlternatingProxy } from './alternating-proxy.ts'
import { stemma } from './command.ts'
import type { GitResult, TempFolder } from './git.ts'
import { Server } from './server.ts'
import { s3Client, s3Settings } from './s3-settings.ts'
import { query } from './test-database.ts'

/** A database and a bucket of a test's own. */
export interface SharedStorage {
  readonly databaseUrl: string
  readonly bucket: string
  /** What a server or a command needs to know. */
  readonly env: Readonly<Record<string, string>>
  /** Names of all keys that the bucket has. */
  keys(): Promise<string[]>
  drop(): Promise<void>
}

export async function openSharedStorage(): Promise<SharedStorage> {
  const suffix = randomBytes(6).toString('hex')
  const s3 = s3Settings(`stemma-test-${suffix}`)
  const name = `stemma_test_${suffix}`
  const server = process.env.STEMMA_TEST_DATABASE_URL
  if (server === undefined || server === '') throw new Error('STEMMA_TEST_DATABASE_URL is not set: run this under devenv/with-ceph')
  const named = new URL(server)
  named.pathname = `/${name}`
  await query(server, `create database ${name}`)
  const keys = () => listKeys(s3.bucket)
  return {
    databaseUrl: named.href,
    bucket: s3.bucket,
    env: {
      DATABASE_URL: named.href,
      STEMMA_BUCKET_S3_ENDPOINT: s3.endpoint ?? '',
      STEMMA_BUCKET_S3_REGION: s3.region,
      STEMMA_BUCKET_S3_BUCKET: s3.bucket,
      STEMMA_BUCKET_S3_ACCESS_KEY_ID: s3.accessKeyId ?? '',
      STEMMA_BUCKET_S3_SECRET_ACCESS_KEY: s3.secretAccessKey ?? '',
      STEMMA_BUCKET_S3_CREATE_BUCKET: 'true',
    },
    keys,
    drop: async () => {
      await query(server, `drop database if exists ${name} with (force)`)
      await dropBucket(s3.bucket, await keys())
    },
  }
}

export interface Nodes {
  readonly storage: SharedStorage
  /** Each by itself: its requests go to it, not through the proxy. */
  readonly all: readonly Server[]
  readonly proxy: AlternatingProxy
  /** The operator's command, as from a machine of its own; any exit code is a result. */
  stemma(...args: readonly string[]): Promise<GitResult>
  close(): Promise<void>
}

/** Nodes of one database have one. */
const secretKey = 'nodes-of-one-database-have-one-key'

/** @param env more settings for every node */
export async function openNodes(folder: TempFolder, count = 2, env: Readonly<Record<string, string>> = {}): Promise<Nodes> {
  const storage = await openSharedStorage()
  const all: Server[] = []
  const proxies: AlternatingProxy[] = []
  const close = async () => {
    for (const proxy of proxies) await proxy.close()
    await Promise.all(all.map((node) => node.stop()))
    await storage.drop()
  }
  try {
    const starts = await Promise.allSettled(
      Array.from({ length: count }, (_, n) =>
        Server.start({ data: folder.join(`node-${n}`), env: { ...storage.env, STEMMA_SECRET_KEY: secretKey, ...env } }),
      ),
    )
    for (const start of starts) if (start.status === 'fulfilled') all.push(start.value)
    for (const start of starts) if (start.status === 'rejected') throw start.reason
    const proxy = await AlternatingProxy.open(all.map(({ url }) => url))
    proxies.push(proxy)
    const beside = { ...storage.env, STEMMA_SECRET_KEY: secretKey, ...env }
    return { storage, all, proxy, stemma: (...args) => stemma([...args, '--data', folder.join('operator')], beside), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function listKeys(bucket: string): Promise<string[]> {
  const client = s3Client()
  const keys: string[] = []
  try {
    for (let token: string | undefined, more = true; more; more = token !== undefined) {
      const page = { Bucket: bucket, ...(token === undefined ? {} : { ContinuationToken: token }) }
      const answer = await client.send(new ListObjectsV2Command(page))
      for (const { Key } of answer.Contents ?? []) if (Key !== undefined) keys.push(Key)
      token = answer.IsTruncated === true ? answer.NextContinuationToken : undefined
    }
    return keys
  } finally {
    client.destroy()
  }
}

async function dropBucket(bucket: string, keys: readonly string[]): Promise<void> {
  const client = s3Client()
  try {
    for (let at = 0; at < keys.length; at += 1000) {
      const Objects = keys.slice(at, at + 1000).map((Key) => ({ Key }))
      await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }))
    }
    await client.send(new DeleteBucketCommand({ Bucket: bucket }))
  } finally {
    client.destroy()
  }
}
