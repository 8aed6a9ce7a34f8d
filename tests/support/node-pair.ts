// Two nodes over one PostgreSQL and one S3 bucket, with what tests of both need: the operator's command, the database, and time that passes when a test says so.
import assert from 'node:assert/strict'
import type pg from 'pg'
import { openDatabase } from './database.ts'
import type { TempFolder } from './git.ts'
import { type Nodes, openNodes } from './nodes.ts'
import type { Server } from './server.ts'

export interface NodePair {
  readonly nodes: Nodes
  readonly a: Server
  readonly b: Server
  readonly db: pg.Client
  /** The operator's command, which has to succeed; what it says. */
  command(...args: readonly string[]): Promise<string>
  /** That work is done as soon as a node is free. What is being done just now isn't asked for again: who waits for work that begins after this asks until it is done. */
  due(...kinds: readonly string[]): Promise<void>
  /** As if the leases of contents, the graces of contents and segments, and what replaced keys are kept for had passed; the tidying is due. */
  gracesPass(): Promise<void>
  /** The nodes end; what they had goes, and the folder. */
  close(): Promise<void>
}

/** @param env more settings for both */
export async function openPair(folder: TempFolder, env: Readonly<Record<string, string>> = {}): Promise<NodePair> {
  const nodes = await openNodes(folder, 2, env).catch((error: unknown) => {
    folder.remove()
    throw error
  })
  const [a, b] = nodes.all as [Server, Server]
  const end = async () => {
    await nodes.close()
    folder.remove()
  }
  const db = await openDatabase(a).catch(async (error: unknown) => {
    await end()
    throw error
  })
  const due = async (...kinds: readonly string[]) => {
    await db.query('update job set due_at = now() where kind = any($1) and holder is null', [kinds])
  }
  return {
    nodes,
    a,
    b,
    db,
    command: async (...args) => {
      const { code, stdout, stderr } = await nodes.stemma(...args)
      assert.equal(code, 0, stdout + stderr)
      return stdout
    },
    due,
    gracesPass: async () => {
      await db.query(`update content set leased_until = now() - interval '1 hour'`)
      await db.query('update content_review set due_at = now()')
      await db.query('update segment set review_at = now() where draining_since is null')
      await db.query(`update segment set draining_since = now() - interval '2 days' where draining_since is not null`)
      await db.query('update key_deletion set not_before = now()')
      await due('tidy-content', 'sweep-orphans')
    },
    close: async () => {
      await db.end()
      await end()
    },
  }
}
