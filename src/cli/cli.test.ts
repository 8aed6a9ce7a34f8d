// The operator's command from the outside: what it prints, where, and with which exit code.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { version } from '../version.ts'

const command = resolve(import.meta.dirname, '../../bin/stemma')
const root = mkdtempSync(join(tmpdir(), 'stemma-cli-'))
after(() => rmSync(root, { recursive: true, force: true }))

function stemma(...args: string[]): { code: number | null; out: string; err: string } {
  const env = { PATH: process.env.PATH, HOME: root, STEMMA_LOG_LEVEL: 'error' }
  const done = spawnSync(command, args, { env, cwd: root, encoding: 'utf8', timeout: 60_000 })
  return { code: done.status, out: done.stdout, err: done.stderr }
}

test('help and version', () => {
  assert.deepEqual(stemma('--version'), { code: 0, out: `stemma ${version}\n`, err: '' })
  for (const args of [['--help'], ['-h'], ['help']]) assert.match(stemma(...args).out, /^Stemma hosts Git[^]*serve[^]*token create/)
  assert.match(stemma('serve', '--help').out, /^Usage: stemma serve/)
  assert.match(stemma('token', 'create', '--help').out, /^Usage: stemma token create/)
  for (const args of [
    ['org', '--help'],
    ['help', 'org'],
    ['org', 'crate', '--help'],
  ])
    assert.match(
      stemma(...args).out,
      /^Usage: stemma org create [^]*Usage: stemma org delete [^]*\nstemma org COMMAND --help says more of each\.\n$/,
    )
})

test('a wrong command line gets one line and exit code 2', () => {
  const wrong: [string[], RegExp][] = [
    [[], /which command\? One of: serve/],
    [['sreve'], /unknown command 'sreve'; there are: serve/],
    [['token', 'mint'], /unknown command 'token mint'; there are: token create/],
    [['token'], /'token' alone is no command; there are: token create, token list, token revoke$/m],
    [['serve', '--lissten', 'x'], /Unknown option '--lissten': see stemma serve --help/],
    [['serve', '--listen'], /'--listen <value>' argument missing/],
    [['serve', '--account', 'x'], /'stemma serve' takes no --account; it takes --data, --listen, --config/],
    [['serve', '--listen', 'nowhere'], /listen: "nowhere" of --listen must be HOST:PORT/],
    [['serve', '--config', 'none.yaml'], /none\.yaml cannot be read/],
    [['token', 'create', '--name', 'x'], /'stemma token create' needs --account/],
    [['token', 'create', '--account', 'admin', '--name', 'x', '--expires', 'soon'], /--expires soon is no duration/],
  ]
  for (const [args, words] of wrong) {
    const { code, out, err } = stemma(...args)
    assert.equal(code, 2, args.join(' '))
    assert.equal(out, '')
    assert.match(err, words)
    assert.match(err, /^stemma: [^\n]+\n$/)
  }
})

test('config check prints what would be in force, without secrets', () => {
  const { code, out } = stemma('config', 'check', '--listen', '[::1]:9')
  assert.equal(code, 0)
  assert.deepEqual(JSON.parse(out).listen, { host: '::1', port: 9 })
})

test('a port that is taken: one sentence and nothing else, nothing keeps running, and the token is shown by the start that succeeds', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const taken = `127.0.0.1:${port}`
  const serve = (ssh: string, listen: string, metrics = '') => {
    const env = { PATH: process.env.PATH, HOME: root, STEMMA_LOG_LEVEL: 'warn', STEMMA_SSH_LISTEN: ssh, STEMMA_METRICS_LISTEN: metrics }
    const args = ['serve', '--data', join(root, 'port'), '--listen', listen]
    return spawn(command, args, { env, cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  }
  const endOf = async (child: ReturnType<typeof serve>) => {
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    return { code: code as number, out, err }
  }
  const free = '127.0.0.1:0'
  const http = '--listen HOST:PORT (STEMMA_LISTEN) says where to listen'
  assert.deepEqual(await endOf(serve(free, taken)), { code: 1, out: '', err: `stemma: ${taken} is taken: ${http}\n` })
  const ssh = 'ssh.listen (STEMMA_SSH_LISTEN, or off) says where SSH listens'
  assert.deepEqual(await endOf(serve(taken, free)), { code: 1, out: '', err: `stemma: ${taken} is taken: ${ssh}\n` })
  const metrics = 'metrics.listen (STEMMA_METRICS_LISTEN) says where metrics are'
  assert.deepEqual(await endOf(serve(free, free, taken)), { code: 1, out: '', err: `stemma: ${taken} is taken: ${metrics}\n` })
  server.close()
  const running = serve(taken, free)
  const lines = createInterface(running.stdout)[Symbol.asyncIterator]()
  assert.match(String((await lines.next()).value), /shown only this once\): stm_[0-9a-f]{40}$/)
  const replacement = /make another one: \.\/bin\/stemma (token create .*)$/.exec(String((await lines.next()).value))?.[1]?.split(' ') ?? []
  assert.match(String((await lines.next()).value), /^Stemma is ready at /)
  assert.match(stemma(...replacement).out, /^stm_[0-9a-f]{40}\n$/)
  running.kill('SIGTERM')
  await once(running, 'close')
})

test('SIGTERM ends a start that is under way', async () => {
  const data = join(root, 'ended')
  const env = { PATH: process.env.PATH, HOME: root, STEMMA_LOG_LEVEL: 'error' }
  const child = spawn(command, ['serve', '--data', data, '--listen', '127.0.0.1:0'], {
    env,
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  while (!existsSync(join(data, 'postgres', 'password'))) await sleep(5)
  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit', { signal: AbortSignal.timeout(10_000) })) as [number]
  assert.deepEqual([code, out], [0, ''])
  assert.equal(existsSync(join(data, 'postgres', 'cluster.new')), false)
})

test('without a server: migrate, then make, list and revoke a token', () => {
  const data = ['--data', join(root, 'data')]
  assert.match(stemma('migrate', ...data).out, /^Applied: \d+/)
  assert.equal(stemma('migrate', ...data).out, 'The database is up to date.\n')
  assert.match(
    stemma('token', 'create', '--account', 'nobody', '--name', 'x', ...data).err,
    /^stemma: there is no account 'nobody'; stemma user list shows[^\n]*\n$/,
  )
  assert.match(stemma('token', 'list', ...data).out, /^ACCOUNT\tNAME/)
})
