// What a repository, a ref, a push, a chunk cost in PostgreSQL, and what background work costs where there are a million networks: the constants of
// docs/design/scale.md.
//   bin/node bench/scale.ts [--empty 10000] [--small 1000] [--pushes 1000] [--refs 50000] [--rows 1000000] [--out FILE.md]
// Repositories are made by the API and by pushes; bytes are what pg_total_relation_size says, before any vacuum: tables as they grow, with all their indexes.
// The rows of the million are made by statements, for what queries over them cost.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import type pg from 'pg'
import { openDatabase } from '../tests/support/database.ts'
import { seededBytes } from '../tests/support/random.ts'
import { TempFolder } from '../tests/support/git.ts'
import { Server } from '../tests/support/server.ts'
import { sha256 } from '../tests/support/content.ts'
import { push, send, zeroId } from '../tests/support/wire.ts'
import { benchArguments } from './arguments.ts'
import { conditions, markdownTable, short } from './table.ts'

const { out, values } = benchArguments([], ['empty', 'small', 'pushes', 'refs', 'rows', 'objects'])
const count = (name: string, fallback: number) => Number(values(name)[0] ?? fallback)
const folder = new TempFolder('scale')
const lines: string[] = []

/** Bytes by table, and the place in PostgreSQL's log. */
interface Sizes {
  readonly tables: ReadonlyMap<string, number>
  readonly wal: number
}

async function sizes(db: pg.Client): Promise<Sizes> {
  const { rows } = await db.query<{ name: string; bytes: string }>(
    `select relname as name, pg_total_relation_size(oid)::text as bytes from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`,
  )
  const wal = await db.query<{ bytes: string }>(`select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text as bytes`)
  return { tables: new Map(rows.map(({ name, bytes }) => [name, Number(bytes)])), wal: Number(wal.rows[0]?.bytes) }
}

/** What the work added, for each of so many: tables with at least half a byte, the largest first. */
async function measured(db: pg.Client, what: string, many: number, run: () => Promise<void>): Promise<void> {
  const before = await sizes(db)
  const [startMs, cpu] = [performance.now(), server.cpu()]
  await run()
  const [ms, used, after] = [performance.now() - startMs, server.cpu(), await sizes(db)]
  const grown = [...after.tables]
    .map(([name, bytes]) => [name, (bytes - (before.tables.get(name) ?? 0)) / many] as const)
    .filter(([, bytes]) => bytes >= 0.5)
    .toSorted((a, b) => b[1] - a[1])
  const sum = grown.reduce((total, [, bytes]) => total + bytes, 0)
  const each = (total: number) => short(total / many)
  rows.push([
    `${what} (${many.toLocaleString('en')})`,
    short(sum),
    grown.map(([name, bytes]) => `${name} ${short(bytes)}`).join(', '),
    each(after.wal - before.wal),
    each(used.serverMs - cpu.serverMs),
    each(used.databaseMs - cpu.databaseMs),
    short((many * 1000) / ms),
  ])
  console.log(rows.at(-1)?.join(' | '))
}

async function atOnce(many: number, parallel: number, run: (n: number) => Promise<void>): Promise<void> {
  let next = 0
  const work = async () => {
    while (next < many) await run(next++)
  }
  await Promise.all(Array.from({ length: parallel }, work))
}

function git(args: readonly string[], input: string | Buffer = ''): Buffer {
  return execFileSync('git', ['-C', folder.join('work'), ...args], { input, maxBuffer: 2 ** 28 })
}

/** A line of so many commits, each with another small file; their ids. */
function makeLine(commits: number): string[] {
  execFileSync('git', ['init', '-q', '-b', 'main', folder.join('work')])
  const parts: string[] = []
  for (let n = 1; n <= commits; n++) {
    const text = seededBytes(`scale ${n}`, 700).toString('base64')
    parts.push(`commit refs/heads/main\ncommitter A <a@example.org> ${1_700_000_000 + n * 60} +0000\ndata 8\ncommit ${n % 10}`)
    parts.push(`M 100644 inline dir-${n % 7}/file-${n % 40}.txt\ndata ${text.length}\n${text}`)
  }
  git(['fast-import', '--quiet'], `${parts.join('\n')}\ndone\n`)
  return git(['rev-list', '--reverse', 'main']).toString().trim().split('\n')
}

const packOf = (revisions: string): Buffer =>
  git(['pack-objects', '-q', '--revs', '--thin', '--stdout', '--delta-base-offset', '--threads=1'], revisions)

const server = await Server.start({ data: folder.join('data'), env: { STEMMA_LOG_LEVEL: 'warn' } })
const rows: string[][] = []
const db = await openDatabase(server)
const rss = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024

async function pushed(name: string, old: string, id: string, pack: Buffer, ref = 'refs/heads/main'): Promise<void> {
  const report = await push(server.repositoryUrl(name), [{ old, new: id, ref }], pack)
  if (report.refs.get(ref) !== 'ok') throw new Error(`${name}: ${report.unpack} ${report.text}`)
}

async function repositories(): Promise<void> {
  const empty = count('empty', 10_000)
  await measured(db, 'empty repository, by the API', empty, () => atOnce(empty, 8, async (n) => void (await server.create(`e${n}`))))
  const small = count('small', 1000)
  const line = makeLine(count('pushes', 1000) + 1)
  const tip = line[19] as string
  const pack = packOf(`${tip}\n`)
  lines.push(`A small repository: 20 commits, 60 objects and some more, a pack of ${pack.length.toLocaleString('en')} bytes, by one push.`)
  await measured(db, 'small repository, by a push', small, () => atOnce(small, 16, (n) => pushed(`s${n}`, zeroId, tip, pack)))
  const before = rss()
  await atOnce(small, 8, (n) => fetched(`s${n}`, tip))
  lines.push(
    `Resident memory after a fetch of each of the ${small} small repositories: ${short(((rss() - before) * 1024) / small)} KiB each more (${short(rss())} MiB).`,
  )
  const packs = line.slice(1).map((id, n) => packOf(`${id}\n^${line[n]}\n`))
  await pushed('line', zeroId, line[0] as string, packOf(`${line[0]}\n`))
  await measured(db, 'push of one commit to one repository, one after the other', packs.length, async () => {
    for (const [n, one] of packs.entries()) await pushed('line', line[n] as string, line[n + 1] as string, one)
  })
  const refs = count('refs', 50_000)
  await measured(db, 'ref, all in one push', refs, async () => {
    const commands = Array.from({ length: refs }, (_, n) => ({ old: zeroId, new: tip, ref: `refs/heads/topic/branch-${n}` }))
    await push(server.repositoryUrl('s0'), commands, packOf(''))
  })
}

/** A whole clone's pack, by protocol version 2. */
async function fetched(name: string, tip: string): Promise<void> {
  const { pathname } = new URL(server.repositoryUrl(name))
  await send(server.repositoryUrl(name), `${pathname}/info/refs?service=git-upload-pack`, { headers: { 'git-protocol': 'version=2' } })
  const text = (line: string) => (line.length + 4).toString(16).padStart(4, '0') + line
  const body = Buffer.from(`${text('command=fetch')}0001${text('no-progress')}${text(`want ${tip}\n`)}${text('done\n')}0000`)
  await send(server.repositoryUrl(name), `${pathname}/git-upload-pack`, {
    method: 'POST',
    body,
    headers: { 'git-protocol': 'version=2', 'content-type': 'application/x-git-upload-pack-request' },
  })
}

async function content(): Promise<void> {
  const objects = count('objects', 1000)
  await server.create('lfs')
  const upload = async (n: number): Promise<void> => {
    const bytes = seededBytes(`object ${n}`, 10_000)
    const answer = await fetch(`${server.url}/admin/lfs.git/info/lfs/objects/${sha256(bytes)}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${server.token}` },
      body: Buffer.from(bytes),
    })
    if (answer.status !== 200) throw new Error(`an upload: ${answer.status}`)
  }
  await measured(db, 'LFS object of 10 KB', objects, () => atOnce(objects, 16, upload))
  const chunks = count('rows', 1_000_000)
  await measured(db, 'row of `chunk`, hashes at random, 2,000 a statement', chunks, async () => {
    for (let n = 0; n < chunks; n += 2000) {
      await db.query(`insert into chunk (hash, segment_id, ordinal)
        select sha256(int8send(${n} + i)), ${1000 + n / 2000}, i from generate_series(0, 1999) i order by 1`)
    }
  })
}

/** What background work asks, where so many networks are that nobody pushes to. */
async function polls(): Promise<void> {
  const many = count('rows', 1_000_000)
  await db.query(`with made as (insert into network (object_format, packs_version) select 'sha1', 1 from generate_series(1, ${many}) returning id)
    insert into pack (network_id, tail, size_bytes, pack_bytes, object_count, verified_at) select id, '\\x00', 3000, 2000, 10, now() from made`)
  await db.query('analyze')
  const ms = async (text: string): Promise<string> => {
    const { rows: plan } = await db.query<Record<'QUERY PLAN', string>>(`explain (analyze, timing off) ${text}`)
    return /Execution Time: ([\d.]+)/.exec(plan.map((line) => line['QUERY PLAN']).join('\n'))?.[1] ?? '–'
  }
  const top = Number((await db.query('select max(id) as id from pack')).rows[0].id)
  const asked: readonly (readonly [string, string, string])[] = [
    ['are packs new?', 'every 3 s', `select (select max(id) from pack) > ${top}`],
    [
      'scrub: anything due?',
      'every 3 s',
      `select exists (select from pack where coalesce(verified_at, created_at) < now() - interval '30 days')`,
    ],
    ['collection: anything due?', 'every 3 s', `select at from reflog where id > 0 order by id limit 1`],
    ['compaction: networks of the last 70 minutes', 'every 10 min', `select distinct network_id from pack where id > ${top} - 10000`],
    [
      'compaction: 100,000 of all networks',
      'once a day',
      `select n.id from (select distinct network_id as id from pack where id > ${top - 100_000}) n cross join lateral (
      select count(*) as packs from pack p where p.network_id = n.id) s where s.packs > 1`,
    ],
    [
      'counting, as it was: all networks',
      'was every minute',
      `select n.id from network n left join network_storage s on s.network_id = n.id
      where s.packs_version is distinct from n.packs_version order by s.counted_at nulls first limit 50`,
    ],
    ['scrub: sum of all packs', 'a run (was: each step)', `select sum(size_bytes) from pack`],
  ]
  const table: string[][] = []
  for (const [what, often, text] of asked) table.push([what, often, await ms(text)])
  lines.push(
    `\n## What background work asks, with ${many.toLocaleString('en')} networks that nobody pushes to\n\n${markdownTable(['query', 'how often', 'ms'], table)}\n`,
  )
}

async function idle(): Promise<void> {
  const transactions = async () =>
    Number((await db.query(`select xact_commit from pg_stat_database where datname = current_database()`)).rows[0].xact_commit)
  const [before, cpu] = [await transactions(), server.cpu()]
  await new Promise((resolve) => setTimeout(resolve, 30_000))
  const used = server.cpu()
  lines.push(
    `Idle, for 30 s: ${short(((await transactions()) - before) / 30)} transactions a second, ${short((used.serverMs - cpu.serverMs + used.databaseMs - cpu.databaseMs) / 30)} ms of CPU a second; resident ${short(rss())} MiB.`,
  )
}

try {
  await idle()
  await repositories()
  await content()
  await polls()
} finally {
  await db.end()
  await server.stop()
  folder.remove()
}
const head = ['what (how many)', 'bytes each', 'by table', 'log bytes', 'ms CPU server', 'ms CPU PostgreSQL', 'a second']
const report = `# Constants for the cost at scale\n\n${new Date().toISOString().slice(0, 10)}, \`bench/scale.ts\`; embedded PostgreSQL, filesystem bucket\n\n${conditions()}\n\n${markdownTable(head, rows)}\n\n${lines.join('\n')}\n`
console.log(report)
if (out !== null) writeFileSync(out, report)
