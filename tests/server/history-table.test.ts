// History tables on the real server: made behind a push, used by fetches, gone with the repository.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { stemma } from '../support/command.ts'
import { openDatabase } from '../support/database.ts'
import { makeHistory } from '../support/history.ts'
import { type Host, openHost, onPeer } from '../support/host.ts'

let host: Host
before(async () => {
  host = await openHost('history-table')
})
after(async () => await host?.close())

const tables = () => host.server.bucketFiles().filter(({ path }) => path.includes('history/'))

async function until(what: string, check: () => boolean): Promise<void> {
  for (const end = performance.now() + 40_000; !check(); await sleep(100)) assert.ok(performance.now() < end, `not in time: ${what}`)
}

test('is made behind a push, and again when the network has outgrown it', { skip: onPeer && 'not on the peer' }, async () => {
  const { git } = host
  const work = makeHistory(700)
  const url = await host.create('grows')
  await git.run(['push', '-q', url, 'main~300:refs/heads/main'], { cwd: work })
  await until('the first table', () => tables().length === 1)
  const clone = host.folder.join('clone.git')
  await git.run(['clone', '-q', '--bare', '--single-branch', url, clone])
  await git.run(['push', '-q', url, 'main', '--tags'], { cwd: work })
  const first = tables()[0]?.path
  await git.run(['fetch', '-q', url, 'main:main', '--tags'], { cwd: clone })
  await until('the second table', () => tables().some(({ path }) => path !== first))
  const shallow = host.folder.join('shallow.git')
  await git.run(['clone', '-q', '--bare', '--depth', '30', url, shallow])
  await git.run(['fetch', '-q', '--unshallow'], { cwd: shallow })
  for (const copy of [clone, shallow]) {
    await git.run(['fsck', '--connectivity-only'], { cwd: copy })
    assert.equal(await git.read(['rev-parse', 'main'], { cwd: copy }), await git.read(['rev-parse', 'main'], { cwd: work }))
  }
  assert.doesNotMatch(host.server.output, /could not be (made|read)/)
})

test('what came since goes into a part of its own; a repack makes one of all', { skip: onPeer && 'not on the peer' }, async () => {
  const { git, server } = host
  const work = makeHistory(3600)
  const url = await host.create('parts')
  const database = await openDatabase(server)
  try {
    const parts = async () => {
      const { rows } = await database.query<{ key: string; packs: number }>(`
        select h.key, h.pack_count as packs from history h join repository r using (network_id) where r.name = 'parts' order by part`)
      return rows
    }
    const untilParts = async (what: string, check: (found: Awaited<ReturnType<typeof parts>>) => boolean) => {
      for (const end = performance.now() + 60_000; !check(await parts()); await sleep(100))
        assert.ok(performance.now() < end, `not in time: ${what}`)
    }
    await git.run(['push', '-q', url, 'main~650:refs/heads/main'], { cwd: work })
    await untilParts('the first table', (found) => found.length === 1)
    // a network that has lost its table, and has tails: they are about to be merged, so the new one leaves them out
    await git.run(['push', '-q', url, 'main~649:refs/heads/main'], { cwd: work })
    await database.query(`delete from history using repository r where r.network_id = history.network_id and r.name = 'parts'`)
    await git.run(['push', '-q', url, 'main~648:refs/heads/main'], { cwd: work })
    await untilParts('the first table again', (found) => found.length === 1)
    const [first] = await parts()
    assert.equal(first?.packs, 1)
    await git.run(['push', '-q', url, 'main', '--tags'], { cwd: work })
    await untilParts('the second part', (found) => found.length === 2)
    assert.deepEqual((await parts())[0], first)
    const wanted = await git.read(['rev-list', '--objects', '--no-object-names', 'main', '^main~700'], { cwd: work })
    const copies = async (name: string) => {
      const copy = host.folder.join(`${name}.git`)
      await git.run(['clone', '-q', '--bare', url, copy])
      await git.run(['fsck', '--connectivity-only'], { cwd: copy })
      assert.equal(await git.read(['rev-list', '--objects', '--no-object-names', 'main', '^main~700'], { cwd: copy }), wanted)
      const shallow = host.folder.join(`${name}-shallow.git`)
      await git.run(['clone', '-q', '--bare', '--depth', '800', '--filter=blob:none', url, shallow])
      await git.run(['fetch', '-q', '--unshallow'], { cwd: shallow })
      assert.equal(await git.read(['rev-list', '--count', 'main'], { cwd: shallow }), '3600')
    }
    await copies('in-parts')
    const repacked = await stemma(['repack', 'admin/parts', '--data', server.data])
    assert.equal(repacked.code, 0, repacked.stderr)
    await untilParts('one table', (found) => found.length === 1 && found[0]?.packs === 1)
    await copies('as-one')
    const { rows } = await database.query<{ key: string }>(`select key from key_deletion where key like 'history/%'`)
    assert.ok(rows.some(({ key }) => key === first?.key))
    assert.doesNotMatch(server.output, /could not be (made|read)/)
  } finally {
    await database.end()
  }
})

test('goes with the repository', { skip: onPeer && 'not on the peer' }, async () => {
  const answer = await host.server.api('DELETE', '/api/v3/repos/admin/grows')
  assert.equal(answer.status, 204)
})
