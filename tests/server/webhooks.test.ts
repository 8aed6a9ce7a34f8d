// Webhooks from a real push to a real receiver: what is sent, how it is signed, what happens when it isn't taken, and what the log says of it.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { octokitOf } from '../support/octokit.ts'
import { adminToken } from '../support/server.ts'
import { type Host, onPeer, openHost } from '../support/host.ts'
import { isSigned, Receiver, type Received } from '../support/receiver.ts'
import { until } from '../support/until.ts'

const secret = "It's a Secret to Everybody"
const env = {
  STEMMA_OUTBOUND_ALLOW_PRIVATE: '127.0.0.1',
  STEMMA_HOOKS_FIRST_RETRY_MS: '50ms',
  STEMMA_HOOKS_TIMEOUT_MS: '1s',
  STEMMA_HOOKS_TRIES: '4',
}

describe('webhooks', { skip: onPeer ? 'not on the peer' : false }, () => {
  let host: Host
  let receiver: Receiver
  before(async () => {
    receiver = await Receiver.open()
    host = await openHost('webhooks', env)
  })
  after(async () => {
    receiver?.close()
    await host?.close()
  })

  const api = (method: string, path: string, body?: unknown) => host.server.api(method, `/api/v3/repos/admin/${path}`, body)

  /** A repository with a hook that leads to `/NAME`; the hook's document. */
  async function withHook(name: string, config: object = {}, events: readonly string[] = ['*']) {
    await host.create(name)
    return await addHook(name, `/${name}`, config, events)
  }

  async function addHook(name: string, path: string, config: object = {}, events: readonly string[] = ['*']) {
    const answer = await api('POST', `${name}/hooks`, {
      name: 'web',
      events,
      config: { url: receiver.url(path), content_type: 'json', secret, ...config },
    })
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body
  }

  async function pushed(name: string, commits = 3): Promise<string> {
    const path = await host.git.makeRepository(host.folder.join(`work-${name}`), commits)
    await host.git.run(['push', '-q', host.server.repositoryUrl(name), 'main'], { cwd: path })
    return path
  }

  async function deliveries(name: string, hook: number, count: number) {
    const url = `${name}/hooks/${hook}/deliveries?per_page=100`
    await until(`${count} deliveries`, async () => (await api('GET', url)).body.length >= count)
    return (await api('GET', url)).body
  }

  it('a new hook is pinged; the headers are those of GitHub', async () => {
    const hook = await withHook('pinged', {}, ['push'])
    const [ping] = (await receiver.wait('/pinged', 1, 'ping')) as [Received]
    assert.equal(ping.payload.hook_id, hook.id)
    assert.equal(ping.payload.hook.config.secret, '********')
    assert.equal(ping.payload.repository.full_name, 'admin/pinged')
    assert.equal(ping.payload.sender.login, 'admin')
    assert.ok(isSigned(ping, secret))
    assert.match(ping.guid, /^[0-9a-f]{8}-[0-9a-f-]{27}$/)
    assert.equal(ping.headers['x-github-hook-id'], String(hook.id))
    assert.equal(ping.headers['x-github-hook-installation-target-type'], 'repository')
    assert.match(String(ping.headers['user-agent']), /^stemma\//)
    assert.equal(ping.headers['content-type'], 'application/json')
    assert.equal(ping.headers.authorization, undefined)
    assert.equal(hook.last_response.status, 'unused')
    await until('the hook knows', async () => (await api('GET', `pinged/hooks/${hook.id}`)).body.last_response.code === 200)
  })

  it('a push is told with its commits, in the shape of GitHub', async () => {
    await withHook('pushed', {}, ['push'])
    const path = await pushed('pushed')
    const git = (...args: string[]) => host.git.read(args, { cwd: path })
    const [first] = (await receiver.wait('/pushed', 1)) as [Received]
    assert.ok(isSigned(first, secret))
    const ids = (await git('rev-list', '--reverse', 'main')).split('\n')
    assert.equal(first.payload.ref, 'refs/heads/main')
    assert.equal(first.payload.before, '0'.repeat(40))
    assert.equal(first.payload.after, ids.at(-1))
    assert.deepEqual([first.payload.created, first.payload.deleted, first.payload.forced], [true, false, false])
    assert.deepEqual(
      first.payload.commits.map((commit: { id: string }) => commit.id),
      ids,
    )
    assert.equal(first.payload.head_commit.id, ids.at(-1))
    assert.deepEqual(first.payload.commits[0].added, ['file-1.txt', 'folder/deep/1.txt'])

    await host.git.run(['mv', 'file-1.txt', 'ä b.txt'], { cwd: path })
    await host.git.run(['rm', '-q', 'file-2.txt'], { cwd: path })
    const id = await host.git.commit(path, { 'folder/deep/1.txt': 'other\n', 'new/file': 'x' }, 'subject\n\nbody with "quotes"')
    await host.git.run(['push', '-q', host.server.repositoryUrl('pushed'), 'main', 'main:topic'], { cwd: path })
    const [, ...more] = await receiver.wait('/pushed', 3)
    const second = more.find(({ payload }) => payload.ref === 'refs/heads/main') as Received
    const [commit] = second.payload.commits
    assert.deepEqual(
      { ...commit, url: '' },
      {
        id,
        tree_id: await git('rev-parse', 'main^{tree}'),
        distinct: true,
        message: 'subject\n\nbody with "quotes"',
        timestamp: '2023-11-14T22:13:20Z',
        url: '',
        author: { name: 'Tester', email: 'tester@example.com' },
        committer: { name: 'Tester', email: 'tester@example.com' },
        added: ['new/file', 'ä b.txt'],
        removed: ['file-1.txt', 'file-2.txt'],
        modified: ['folder/deep/1.txt'],
      },
    )
    assert.equal(second.payload.commits.length, 1)
    assert.equal(second.payload.before, ids.at(-1))
    assert.match(second.payload.compare, new RegExp(`/admin/pushed/compare/${ids.at(-1)?.slice(0, 12)}\\.\\.\\.${id.slice(0, 12)}$`))

    await host.git.run(['push', '-q', '-f', host.server.repositoryUrl('pushed'), `${ids[0]}:main`], { cwd: path })
    const forced = (await receiver.wait('/pushed', 4)).at(-1) as Received
    assert.deepEqual([forced.payload.forced, forced.payload.commits.length, forced.payload.head_commit.id], [true, 0, ids[0]])
  })

  it('branches and tags that come and go', async () => {
    await withHook('refs', {}, ['create', 'delete'])
    const path = await pushed('refs')
    await host.git.run(['tag', '-a', '-m', 'tagged', 'v1'], { cwd: path })
    await host.git.run(['push', '-q', host.server.repositoryUrl('refs'), 'v1', 'main:x/y'], { cwd: path })
    await host.git.run(['push', '-q', host.server.repositoryUrl('refs'), ':v1', ':x/y'], { cwd: path })
    const all = await receiver.wait('/refs', 5)
    const told = all.map(({ event, payload }) => `${event} ${payload.ref_type} ${payload.ref}`).sort()
    assert.deepEqual(told, ['create branch main', 'create branch x/y', 'create tag v1', 'delete branch x/y', 'delete tag v1'])
    assert.equal(all[0]?.payload.master_branch, 'main')
  })

  it('a hook hears of what it asked for alone, and of nothing while it is off', async () => {
    const hook = await withHook('choosy', {}, ['fork', 'pull_request'])
    await addHook('choosy', '/choosy-all')
    await pushed('choosy')
    await receiver.wait('/choosy-all', 2)
    assert.equal(receiver.at('/choosy').length, 0)
    const changed = await api('PATCH', `choosy/hooks/${hook.id}`, { add_events: ['push'], remove_events: ['fork'], active: false })
    assert.deepEqual([changed.body.events, changed.body.active], [['pull_request', 'push'], false])
    await host.git.run(['push', '-q', host.server.repositoryUrl('choosy'), 'main:other'], { cwd: host.folder.join('work-choosy') })
    await receiver.wait('/choosy-all', 4)
    assert.equal(receiver.at('/choosy').length, 0)
  })

  it('what becomes of the repository', async () => {
    await withHook('renamed', {}, ['repository'])
    assert.equal((await api('PATCH', 'renamed', { name: 'Renamed2', description: 'new', private: true })).status, 200)
    const all = await receiver.wait('/renamed', 3)
    const by = (action: string) => all.find(({ payload }) => payload.action === action)?.payload
    assert.deepEqual(by('renamed').changes, { repository: { name: { from: 'renamed' } } })
    assert.deepEqual(by('edited').changes, { description: { from: null } })
    assert.equal(by('privatized').repository.full_name, 'admin/Renamed2')
    assert.equal(by('privatized').repository.private, true)
  })

  it('an organisation hears of all its repositories, and of its members', async () => {
    const call = (method: string, path: string, body?: unknown) => host.server.api(method, `/api/v3/${path}`, body)
    assert.equal((await call('POST', 'user/orgs', { login: 'guild' })).status, 201)
    assert.equal((await call('POST', 'admin/users', { login: 'mary' })).status, 201)
    const made = await call('POST', 'orgs/guild/hooks', {
      events: ['*'],
      config: { url: receiver.url('/guild'), content_type: 'json', secret },
    })
    assert.deepEqual([made.status, made.body.type, made.body.config.secret], [201, 'Organization', '********'])
    const [ping] = (await receiver.wait('/guild', 1, 'ping')) as [Received]
    assert.deepEqual([ping.payload.organization.login, ping.payload.hook.url], ['guild', made.body.url])
    assert.equal(ping.headers['x-github-hook-installation-target-type'], 'organization')
    assert.equal((await call('POST', 'orgs/guild/repos', { name: 'tool' })).status, 201)
    assert.equal((await call('PUT', 'orgs/guild/memberships/mary', { role: 'member' })).status, 200)
    assert.equal((await call('PUT', 'repos/guild/tool/collaborators/mary', { permission: 'push' })).status < 300, true)
    const path = await host.git.makeRepository(host.folder.join('work-guild'), 1)
    await host.git.run(['push', '-q', host.server.repositoryUrl('x').replace('/admin/x', '/guild/tool'), 'main'], { cwd: path })
    await receiver.wait('/guild', 5) // of a repository that is gone only that is told
    assert.equal((await call('DELETE', 'orgs/guild/memberships/mary')).status, 204)
    assert.equal((await call('DELETE', 'repos/guild/tool')).status, 204)
    const all = await receiver.wait('/guild', 7)
    const told = all.map(({ event, payload }) => `${event} ${payload.action ?? payload.ref}`).sort()
    const wanted = ['create main', 'member added', 'organization member_added', 'organization member_removed']
    assert.deepEqual(told, [...wanted, 'push refs/heads/main', 'repository created', 'repository deleted'])
    for (const one of all) {
      assert.ok(isSigned(one, secret))
      assert.equal(one.payload.organization.login, 'guild')
      assert.equal(one.payload.sender.login, 'admin')
    }
    const member = all.find(({ event }) => event === 'member')?.payload
    assert.deepEqual([member.member.login, member.changes.permission], ['mary', { to: 'write' }])
    const log = await call('GET', `orgs/guild/hooks/${made.body.id}/deliveries`)
    const again = await call('POST', `orgs/guild/hooks/${made.body.id}/deliveries/${log.body[0].id}/attempts`)
    assert.equal(again.status, 202)
    await receiver.wait('/guild', 8)
    assert.equal((await call('GET', `orgs/guild/hooks/${made.body.id}`)).body.last_response, undefined)
    assert.equal((await api('GET', `pinged/hooks/${made.body.id}`)).status, 404)
    const audit = (await call('GET', 'orgs/guild/audit-log')).body
    assert.equal(JSON.stringify(audit).includes('hook.create'), true)
    assert.equal(JSON.stringify(audit).includes(receiver.url('/guild')), false, 'the path of a URL may be a secret')
    assert.equal((await call('DELETE', `orgs/guild/hooks/${made.body.id}`)).status, 204)
  })

  it('form, and CloudEvents in both modes, signed each in its way', async () => {
    await withHook('kinds', { content_type: 'form' }, ['push'])
    await addHook('kinds', '/structured', { content_type: 'cloudevents' }, ['push'])
    await addHook('kinds', '/binary', { content_type: 'cloudevents-binary', secret: '' }, ['push'])
    await pushed('kinds')
    const [form] = (await receiver.wait('/kinds', 1)) as [Received]
    const [structured] = (await receiver.wait('/structured', 1)) as [Received]
    const [binary] = (await receiver.wait('/binary', 1)) as [Received]
    assert.ok(isSigned(form, secret) && isSigned(structured, secret))
    assert.equal(binary.headers['x-hub-signature-256'], undefined)
    assert.deepEqual(structured.payload.data, form.payload)
    assert.deepEqual(binary.payload, form.payload)
    assert.equal(structured.headers['content-type'], 'application/cloudevents+json; charset=UTF-8')
    const { specversion, type, source, subject, id } = structured.payload
    assert.deepEqual([specversion, type, subject, id], ['1.0', 'com.github.push', 'refs/heads/main', structured.guid])
    assert.equal(source, form.payload.repository.url)
    assert.deepEqual(
      ['ce-specversion', 'ce-type', 'ce-source', 'ce-subject', 'ce-id'].map((name) => binary.headers[name]),
      ['1.0', 'com.github.push', source, 'refs/heads/main', binary.guid],
    )
  })

  it('what is not taken is sent again, later each time, so often and no more', async () => {
    const answers = new Map<string, (response: import('node:http').ServerResponse) => void>([
      ['/error', (response) => response.writeHead(500).end('ill')],
      ['/cut', (response) => response.destroy()],
      ['/silent', () => {}],
    ])
    const hook = await withHook('again', {}, ['push'])
    const hooks = new Map<string, number>()
    for (const [path, fail] of answers) {
      receiver.answer(path, (received, response) => {
        if (received.event === 'ping' || receiver.at(path).length > 2) response.end('taken')
        else fail(response)
      })
      hooks.set(path, (await addHook('again', path)).id)
    }
    receiver.answer('/again', (received, response) => (received.event === 'ping' ? response.end() : response.writeHead(503).end('never')))
    receiver.answer('/no', (_received, response) => response.writeHead(403).end('no'))
    const no = await addHook('again', '/no', {}, ['push'])
    await pushed('again')
    for (const path of answers.keys()) {
      // `create` and `push`: the first two tries of all fail
      const all = await receiver.wait(path, 4)
      for (const guid of new Set(all.map((one) => one.guid))) {
        const tries = all.filter((one) => one.guid === guid)
        assert.equal(new Set(tries.map((one) => one.body)).size, 1)
      }
      const log = await deliveries('again', hooks.get(path) as number, 5)
      const failed = log.filter((one: { status: string }) => one.status !== 'OK')
      assert.ok(failed.length >= 2, JSON.stringify(log))
      assert.match(
        failed[0].status,
        path === '/error' ? /^Invalid HTTP Response: 500$/ : path === '/cut' ? /^failed to connect: / : /^timed out$/,
      )
    }
    const tries = await deliveries('again', hook.id, 5)
    await host.git.run(['push', '-q', host.server.repositoryUrl('again'), 'main:x'], { cwd: host.folder.join('work-again') })
    const later = await deliveries('again', hook.id, 9)
    const of = (log: { guid: string; event: string }[], guid: string) => log.filter((one) => one.guid === guid)
    assert.equal(of(later, tries[0].guid).length, 4)
    assert.equal(later.length, 9, 'a ping, and four tries of two events')
    assert.deepEqual(
      of(later, tries[0].guid).map((one) => (one as unknown as { redelivery: boolean }).redelivery),
      [true, true, true, false],
    )
    const refused = await deliveries('again', no.id, 3)
    assert.equal(refused.length, 3, 'who says no is not asked again')
  })

  it('the log shows what was sent and answered, page by page, and sends it again when asked', async () => {
    const hook = await withHook('logged', {}, ['push'])
    receiver.answer('/logged', (_received, response) =>
      response.writeHead(200, { 'x-answer': 'yes' }).end(`thanks\0${'x'.repeat(100_000)}`),
    )
    await pushed('logged')
    const [newest, ping] = await deliveries('logged', hook.id, 2)
    assert.deepEqual([newest.event, ping.event, newest.status, newest.status_code, newest.redelivery], ['push', 'ping', 'OK', 200, false])
    const whole = (await api('GET', `logged/hooks/${hook.id}/deliveries/${newest.id}`)).body
    const [received] = receiver.at('/logged') as [Received]
    assert.deepEqual(whole.request.payload, received.payload)
    assert.equal(whole.request.headers['x-hub-signature-256'], received.headers['x-hub-signature-256'])
    assert.equal(whole.response.headers['x-answer'], 'yes')
    assert.equal(whole.response.payload.slice(0, 8), 'thanks\uFFFDx')
    assert.equal(whole.response.payload.length, 64 << 10)
    assert.equal(whole.url, hook.config.url)

    const first = await api('GET', `logged/hooks/${hook.id}/deliveries?per_page=1`)
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1] ?? ''
    const second = await fetch(next, { headers: { authorization: `Bearer ${adminToken}` } })
    assert.deepEqual(
      [first.body.map((one: { id: number }) => one.id), ((await second.json()) as { id: number }[]).map((one) => one.id)],
      [[newest.id], [ping.id]],
    )

    const again = await api('POST', `logged/hooks/${hook.id}/deliveries/${newest.id}/attempts`)
    assert.deepEqual([again.status, again.body], [202, {}])
    const [, repeated] = (await receiver.wait('/logged', 2)) as [Received, Received]
    assert.deepEqual([repeated.guid, repeated.body], [received.guid, received.body])
    assert.equal((await deliveries('logged', hook.id, 3))[0].redelivery, true)
  })

  it('receivers that never answer or never end hold up no other', async () => {
    const dead = await withHook('slow', {}, ['push'])
    receiver.answer('/slow', () => {})
    receiver.answer('/endless', (_received, response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
      }
      response.on('drain', more)
      more()
    })
    receiver.answer('/trickle', (_received, response) => {
      const timer = setInterval(() => response.write('.'), 100)
      response.on('close', () => clearInterval(timer))
    })
    const endless = await addHook('slow', '/endless', {}, ['push'])
    const trickle = await addHook('slow', '/trickle', {}, ['push'])
    await withHook('quick', {}, ['push'])
    const path = await pushed('slow', 1)
    for (let n = 0; n < 4; n++) await host.git.run(['push', '-q', host.server.repositoryUrl('slow'), `main:b${n}`], { cwd: path })
    await host.git.run(['push', '-q', host.server.repositoryUrl('quick'), 'main'], { cwd: path })
    await receiver.wait('/quick', 1)
    const [one] = await deliveries('slow', endless.id, 6)
    assert.deepEqual([one.status, one.status_code], ['OK', 200])
    const [slow] = await deliveries('slow', trickle.id, 6)
    assert.deepEqual([slow.status, slow.status_code], ['OK', 200], 'what counts is the status, which came')
    await deliveries('slow', dead.id, 1)
  })

  it('a redirect is not followed', async () => {
    const hook = await withHook('redirected', {}, ['push'])
    receiver.answer('/redirected', (received, response) =>
      received.event === 'ping' ? response.end() : response.writeHead(307, { location: receiver.url('/elsewhere') }).end(),
    )
    await pushed('redirected', 1)
    const [log] = await deliveries('redirected', hook.id, 2)
    assert.deepEqual([log.status, log.status_code], ['Invalid HTTP Response: 307', 307])
    assert.equal(receiver.at('/elsewhere').length, 0)
  })

  it('a secret is shown to nobody, and stays when it comes back as it is shown', async () => {
    const hook = await withHook('secretive', {}, ['push'])
    for (const shown of [hook.config, (await api('GET', `secretive/hooks/${hook.id}/config`)).body]) assert.equal(shown.secret, '********')
    const { config } = (await api('PATCH', `secretive/hooks/${hook.id}`, { config: { ...hook.config, content_type: 'form' } })).body
    assert.equal(config.content_type, 'form')
    await pushed('secretive', 1)
    const [first] = (await receiver.wait('/secretive', 1)) as [Received]
    assert.ok(isSigned(first, secret))
    await api('PATCH', `secretive/hooks/${hook.id}/config`, { secret: 'another secret' })
    await api('POST', `secretive/hooks/${hook.id}/tests`)
    const [, second] = (await receiver.wait('/secretive', 2)) as [Received, Received]
    assert.ok(isSigned(second, 'another secret'))
    assert.equal(second.payload.after, first.payload.after)
    assert.equal(host.server.output.includes(secret), false)
  })

  it('what is no hook is refused in the shape of GitHub', async () => {
    await host.create('refused')
    const good = receiver.url('/refused')
    const bad: [object, string][] = [
      [{ config: {} }, 'config.url'],
      [{}, 'config'],
      [{ config: { url: 'ftp://example.org/' } }, 'url'],
      [{ config: { url: 'http://user:pass@example.org/' } }, 'url'],
      [{ config: { url: 'http://10.0.0.1/' } }, 'url'],
      [{ config: { url: good, content_type: 'xml' } }, 'config.content_type'],
      [{ config: { url: good }, events: ['no_such_event'] }, 'events'],
      [{ config: { url: good }, name: 'email' }, 'name'],
      [{ config: { url: good, secret: 'x'.repeat(1001) } }, 'config.secret'],
    ]
    for (const [body, field] of bad) {
      const answer = await api('POST', 'refused/hooks', body)
      assert.equal(answer.status, 422, JSON.stringify(body))
      assert.equal(answer.body.errors[0].field, field, JSON.stringify(answer.body))
      assert.equal(answer.body.errors[0].resource, 'Hook')
    }
    for (let n = 0; n < 50; n++) await addHook('refused', '/many', {}, ['fork'])
    const one = await api('POST', 'refused/hooks', { config: { url: good } })
    assert.deepEqual([one.status, one.body.errors[0].field], [422, 'hooks'])
    const page = await api('GET', 'refused/hooks?per_page=20&page=3')
    assert.equal(page.body.length, 10)
  })

  it('Octokit makes, lists, tries out and redelivers them as on GitHub', async () => {
    const octokit = octokitOf(host.server.url, adminToken)
    await host.create('octo')
    const at = { owner: 'admin', repo: 'octo' }
    const config = { url: receiver.url('/octo'), content_type: 'json', secret, insecure_ssl: '0' }
    const { data: hook } = await octokit.rest.repos.createWebhook({ ...at, name: 'web', events: ['push'], config })
    assert.deepEqual([hook.type, hook.active, hook.config.secret], ['Repository', true, '********'])
    const [ping] = (await receiver.wait('/octo', 1, 'ping')) as [Received]
    assert.ok(isSigned(ping, secret))
    const { data: list } = await octokit.rest.repos.listWebhooks(at)
    assert.deepEqual(
      list.map(({ id }) => id),
      [hook.id],
    )
    await octokit.rest.repos.updateWebhook({ ...at, hook_id: hook.id, add_events: ['create'], config: { ...config, content_type: 'form' } })
    await octokit.rest.repos.updateWebhookConfigForRepo({ ...at, hook_id: hook.id, content_type: 'json' })
    assert.equal((await octokit.rest.repos.getWebhookConfigForRepo({ ...at, hook_id: hook.id })).data.content_type, 'json')
    await octokit.rest.repos.pingWebhook({ ...at, hook_id: hook.id })
    await receiver.wait('/octo', 2, 'ping')
    await until('both are in the log', async () => (await deliveries('octo', hook.id, 2)).length === 2)
    const all = await octokit.paginate(octokit.rest.repos.listWebhookDeliveries, { ...at, hook_id: hook.id, per_page: 1 })
    assert.deepEqual(
      all.map(({ event, status }) => `${event} ${status}`),
      ['ping OK', 'ping OK'],
    )
    const delivery_id = all[1]?.id ?? 0
    const { data: whole } = await octokit.rest.repos.getWebhookDelivery({ ...at, hook_id: hook.id, delivery_id })
    assert.equal(whole.guid, ping.guid)
    assert.equal((await octokit.rest.repos.redeliverWebhookDelivery({ ...at, hook_id: hook.id, delivery_id })).status, 202)
    const repeated = (await receiver.wait('/octo', 3, 'ping')).at(-1)
    assert.equal(repeated?.guid, ping.guid)
    await octokit.rest.repos.deleteWebhook({ ...at, hook_id: hook.id })
    await assert.rejects(octokit.rest.repos.getWebhook({ ...at, hook_id: hook.id }), { status: 404 })
  })

  it("another repository's hook or delivery is none of this one's", async () => {
    const hook = await withHook('mine', {}, ['push'])
    const [ping] = await deliveries('mine', hook.id, 1)
    await withHook('other', {}, ['push'])
    for (const id of [hook.id, 0, -1, 'x', '1e3', '9'.repeat(30), '1%2f2', `${hook.id}%00`]) {
      const name = `other/hooks/${id}`
      for (const [method, path, body] of [
        ['GET', name],
        ['PATCH', name, { active: false }],
        ['DELETE', name],
        ['GET', `${name}/config`],
        ['PATCH', `${name}/config`, { secret: 'x' }],
        ['POST', `${name}/pings`],
        ['POST', `${name}/tests`],
        ['GET', `${name}/deliveries`],
        ['GET', `${name}/deliveries/${ping.id}`],
        ['POST', `${name}/deliveries/${ping.id}/attempts`],
      ] as const) {
        const answer = await api(method, path, body)
        assert.ok(answer.status === 404 || (answer.status === 400 && /%/.test(path)), `${method} ${path}: ${answer.status}`)
      }
    }
    const own = (await api('GET', 'other/hooks')).body[0].id
    assert.equal((await api('GET', `other/hooks/${own}/deliveries/${ping.id}`)).status, 404)
    assert.equal((await api('POST', `other/hooks/${own}/deliveries/${ping.id}/attempts`)).status, 404)
    assert.equal((await api('GET', `mine/hooks/${hook.id}`)).body.active, true)
    assert.equal((await api('DELETE', `mine/hooks/${hook.id}`)).status, 204)
    assert.equal((await api('GET', `mine/hooks/${hook.id}`)).status, 404)
  })
})
