// Clients over SSH that are slow, greedy, or don't keep to the protocol; and host keys that stay what they are.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import ssh2, { type ClientChannel } from 'ssh2'
import { databaseUrl } from '../support/database.ts'
import type { Git } from '../support/git.ts'
import { stemmaOnly } from '../support/host.ts'
import { freePort } from '../support/port.ts'
import { seededBytes } from '../support/random.ts'
import { Server } from '../support/server.ts'
import { makeSshKey, openSshHost, type SshHost, SshClient, type SshKeyFile, withSsh } from '../support/ssh.ts'
import { until } from '../support/until.ts'

const packBytes = 12 << 20
/** Of all nodes. */
const secretKey = 'what-the-nodes-of-this-test-seal-with-0123456789'

describe('limits over SSH', { ...withSsh, ...stemmaOnly }, () => {
  let ssh: SshHost
  let git: Git
  let key: SshKeyFile
  before(async () => {
    ssh = await openSshHost('ssh-limits', {
      STEMMA_SSH_LOGIN_TIMEOUT_MS: '2s',
      STEMMA_LIMITS_SLOW_GRACE_MS: '3s',
      STEMMA_LIMITS_SLOWEST_BYTES_PER_SECOND: '1MiB',
      STEMMA_LIMITS_IDLE_TIMEOUT_MS: '2s',
      STEMMA_SECRET_KEY: secretKey,
    })
    git = ssh.host.git
    key = makeSshKey(ssh.host.folder, 'raw')
    await ssh.add(key)
    const work = await git.makeRepository(ssh.host.folder.join('work'), 1)
    await git.commit(work, { 'large.bin': seededBytes('large', packBytes) })
    await git.run(['push', '-q', ssh.client.url('admin/large'), 'main'], { cwd: work, env: ssh.client.env })
  })
  after(async () => await ssh?.close())

  /** A connection that has logged in; what becomes of it is told by `closed`. */
  async function logIn(): Promise<{ client: ssh2.Client; closed: Promise<unknown>; isClosed: () => boolean }> {
    const client = new ssh2.Client()
    let over = false
    const closed = new Promise<void>((resolve) => {
      client.once('close', () => {
        over = true
        resolve()
      })
    })
    client.on('error', () => {})
    client.connect({ host: '127.0.0.1', port: ssh.port, username: 'git', privateKey: readFileSync(key.path) })
    await once(client, 'ready')
    return { client, closed, isClosed: () => over }
  }

  async function exec(client: ssh2.Client, command: string): Promise<ClientChannel> {
    return await new Promise((resolve, reject) => {
      client.exec(command, { env: { GIT_PROTOCOL: 'version=2' } }, (error, channel) => (error ? reject(error) : resolve(channel)))
    })
  }

  async function want(): Promise<string> {
    const listed = await git.read(['ls-remote', ssh.client.url('admin/large'), 'HEAD'], { env: ssh.client.env })
    const lines = [`command=fetch`, 'object-format=sha1']
    const args = ['no-progress', 'ofs-delta', `want ${listed.slice(0, 40)}`, 'done']
    const pkt = (line: string) => `${(line.length + 5).toString(16).padStart(4, '0')}${line}\n`
    return `${lines.map(pkt).join('')}0001${args.map(pkt).join('')}0000`
  }

  const logged = (words: RegExp) => until(`the log says ${words.source}`, () => words.test(ssh.host.server.output), 10_000)

  const ended = async (socket: Socket) => {
    socket.resume()
    socket.on('error', () => {})
    await once(socket, 'close')
  }

  it('whoever says nothing, or trickles, is cut off; others log in meanwhile', async () => {
    const silent = connect(ssh.port, '127.0.0.1')
    const trickling = connect(ssh.port, '127.0.0.1')
    trickling.on('error', () => {})
    const timer = setInterval(() => trickling.write('S'), 200)
    const both = Promise.all([ended(silent), ended(trickling)])
    assert.equal((await ssh.client.run(`git-upload-pack 'admin/large'`, { input: '0000' })).code, 0)
    await both
    clearInterval(timer)
  })

  it('of many that never log in, the oldest go: nobody is kept out', async () => {
    const sockets = Array.from({ length: 130 }, () => connect(ssh.port, '127.0.0.1'))
    const all = Promise.all(sockets.map(ended))
    await Promise.all(sockets.map((socket) => once(socket, 'connect').catch(() => {})))
    assert.equal((await ssh.client.run(`git-upload-pack 'admin/large'`, { input: '0000' })).code, 0)
    await all
  })

  it('a client may try six keys', async () => {
    const strangers = Array.from({ length: 8 }, (_, n) => makeSshKey(ssh.host.folder, `stranger-${n}`))
    const flags = strangers.slice(1).flatMap(({ path }) => ['-i', path])
    const answer = await ssh.client.with(strangers[0] as SshKeyFile).run(null, { flags })
    assert.match(answer.stderr, /Connection (closed|reset)|Too many authentication failures|Permission denied/)
    await logged(/too many tries to log in/)
  })

  it('a reader that stalls is cut off, and costs no more memory than a write', async () => {
    const { client, closed, isClosed } = await logIn()
    const request = await want()
    ssh.host.server.resetPeak()
    const before = ssh.host.server.memory().residentBytes
    const channel = await exec(client, `git-upload-pack 'admin/large'`)
    channel.write(request)
    channel.pause() // the library grants no more window than 2 MiB: the rest waits in the server
    await closed
    assert.ok(isClosed())
    await logged(/the client takes too little/)
    const grown = ssh.host.server.memory().peakBytes - before
    assert.ok(grown < 64 << 20, `${grown} bytes more`)
  })

  it('what is sent beyond the window ends the connection', async () => {
    const { client, closed } = await logIn()
    const channel = await exec(client, `git-upload-pack 'admin/large'`)
    channel.write(await want())
    channel.pause() // so that nothing is read of what follows
    // amounts that never just fill the window: what comes when it is full the library drops by itself
    Object.assign((channel as unknown as { outgoing: object }).outgoing, { window: 2 ** 31, packetSize: 30_001 })
    const noise = Buffer.alloc(1_000_003, '0')
    for (let n = 0; n < 12; n++) channel.write(noise)
    await closed
    await logged(/the client sends more than it may/)
  })

  it('a client that takes tiny packets is refused', async () => {
    const { client, closed } = await logIn()
    const protocol = (client as unknown as { _protocol: { session: (channel: number, window: number, size: number) => void } })._protocol
    const open = protocol.session.bind(protocol)
    protocol.session = (channel, window) => open(channel, window, 1)
    client.exec(`git-upload-pack 'admin/large'`, () => {})
    await closed
    await logged(/the client takes too small packets/)
  })

  it('keys may be exchanged anew in the middle of a clone', async () => {
    const { client, closed } = await logIn()
    const channel = await exec(client, `git-upload-pack 'admin/large'`)
    channel.write(await want())
    let takenBytes = 0
    let rekeys = 0
    channel.on('data', (bytes: Buffer) => {
      takenBytes += bytes.length
      if (takenBytes > (rekeys + 1) * (2 << 20) && rekeys < 4) {
        rekeys++
        ;(client as unknown as { _protocol: { rekey(): void } })._protocol.rekey()
      }
      if (bytes.subarray(-4).toString() === '0000' && takenBytes > packBytes) channel.end('0000')
    })
    const [code] = (await once(channel, 'exit')) as [number]
    assert.deepEqual([code, rekeys], [0, 4])
    assert.ok(takenBytes > packBytes, `${takenBytes} bytes`)
    client.end()
    await closed
  })

  it('clients that hang up in the middle of a clone or a push harm nobody', async () => {
    for (const command of ['git-upload-pack', 'git-receive-pack']) {
      for (const leave of ['end', 'destroy', 'noise'] as const) {
        const { client, closed } = await logIn()
        const channel = await exec(client, `${command} 'admin/large'`)
        if (command === 'git-upload-pack') channel.write(await want())
        else
          channel.write(
            `0096${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/x\0report-status side-band-64k object-format=sha1`.padEnd(150) + '0000PACK',
          )
        await once(channel, 'data')
        const { _sock: socket } = client as unknown as { _sock: Socket }
        if (leave === 'noise')
          socket.write(Buffer.alloc(200, 7)) // no packet
        else socket[leave]()
        await closed
      }
    }
    assert.ok(ssh.host.server.isRunning)
    assert.equal((await ssh.client.run(`git-upload-pack 'admin/large'`, { input: '0000' })).code, 0)
  })

  it('a connection runs four commands at once, and more when they have ended', async () => {
    const { client, closed } = await logIn()
    const four = await Promise.all(Array.from({ length: 4 }, () => exec(client, `git-upload-pack 'admin/large'`)))
    await assert.rejects(exec(client, `git-upload-pack 'admin/large'`), /open failure|refused|rejected|Channel/i)
    const codes = Promise.all(four.map(async (channel) => ((await once(channel.resume(), 'exit')) as [number])[0]))
    for (const channel of four) channel.end('0000')
    assert.deepEqual(await codes, [0, 0, 0, 0])
    await until('there is room for another command', async () => {
      const channel = await exec(client, `git-upload-pack 'admin/large'`).catch(() => null)
      channel?.resume().end('0000')
      return channel !== null
    })
    client.end()
    await closed
  })

  it('a connection that runs nothing ends', async () => {
    const { closed } = await logIn()
    await closed
  })

  it('a push whose client leaves the line open is answered all the same', async () => {
    const { client, closed } = await logIn()
    const work = ssh.host.folder.join('work')
    const head = await git.commit(work, { 'more.txt': 'more' })
    const old = await git.read(['rev-parse', 'HEAD~1'], { cwd: work })
    const pack = readFileSync(await packFile(git, work, head, old))
    const channel = await exec(client, `git-receive-pack 'admin/large'`)
    const said: Buffer[] = []
    channel.on('data', (bytes: Buffer) => said.push(bytes))
    const line = `${old} ${head} refs/heads/main\0report-status object-format=sha1`
    channel.write(`${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`)
    channel.write(pack)
    const [code] = (await once(channel, 'exit')) as [number]
    assert.equal(code, 0)
    assert.match(Buffer.concat(said).toString(), /unpack ok\n.*ok refs\/heads\/main\n/)
    client.end()
    await closed
  })

  it('a server that stops lets a clone end, and takes no other', async () => {
    const { client, closed } = await logIn()
    const channel = await exec(client, `git-upload-pack 'admin/large'`)
    channel.write(await want())
    let takenBytes = 0
    let stopping: Promise<number | null> | undefined
    channel.on('data', (bytes: Buffer) => {
      takenBytes += bytes.length
      stopping ??= ssh.host.server.stop()
      if (bytes.subarray(-4).toString() === '0000' && takenBytes > packBytes) channel.end('0000')
    })
    const [code] = (await once(channel, 'exit')) as [number]
    assert.equal(code, 0)
    assert.ok(takenBytes > packBytes, `${takenBytes} bytes`)
    assert.equal(await stopping, 0)
    await closed
    const refused = connect(ssh.port, '127.0.0.1')
    const [error] = (await once(refused, 'error')) as [Error & { code?: string }]
    assert.equal(error.code, 'ECONNREFUSED')
    await ssh.host.server.begin()
  })

  it('host keys stay over a restart, and another node shows the same', async () => {
    const known = readFileSync(ssh.client.knownHosts, 'utf8')
    await ssh.host.server.stop()
    await ssh.host.server.begin()
    assert.equal((await ssh.client.run(`git-upload-pack 'admin/large'`, { input: '0000' })).code, 0)
    const port = await freePort()
    const node = await Server.start({
      data: ssh.host.folder.join('node'),
      env: { DATABASE_URL: databaseUrl(ssh.host.server), STEMMA_SSH_LISTEN: `127.0.0.1:${port}`, STEMMA_SECRET_KEY: secretKey },
    })
    const other = new SshClient({ folder: ssh.host.folder, port, key })
    assert.equal((await other.run(`git-upload-pack 'admin/nothing'`)).code, 128)
    await node.stop()
    const keyIn = (text: string) => text.trim().split(' ').slice(1).join(' ')
    assert.equal(keyIn(readFileSync(other.knownHosts, 'utf8').split('\n')[0] ?? ''), keyIn(known.split('\n')[0] ?? ''))
  })
})

async function packFile(git: Git, work: string, head: string, old: string): Promise<string> {
  const name = await git.read(['pack-objects', '-q', '--revs', `${work}/made`], { cwd: work, input: `${head}\n^${old}\n` })
  return `${work}/made-${name}.pack`
}
