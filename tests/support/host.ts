// What the tests with real clients run against: Stemma, or (STEMMA_TEST_HOST=peer) the peer, which shows that a test expects no more than git gives.
// STEMMA_TEST_NODES=2: two nodes on one PostgreSQL and one S3 bucket, each request to the other node in turn.
import { Git, TempFolder } from './git.ts'
import { Peer } from './peer.ts'
import { Server } from './server.ts'

export interface Host {
  readonly kind: 'stemma' | 'peer'
  readonly folder: TempFolder
  readonly git: Git
  /** Makes an empty repository (sha1 if not said) and returns the URL to push to. */
  create(name: string, objectFormat?: 'sha1' | 'sha256'): Promise<string>
  /** The server itself (of several nodes the first one, whose `url` leads to all of them in turn); throws on the peer. */
  readonly server: Server
  /** Changes settings of a repository by git-config's names; throws on the peer, and when the server refuses. */
  configure(name: string, settings: Readonly<Record<string, unknown>>): Promise<void>
  close(): Promise<void>
}

/** How many nodes the tests with real clients run against; 1 is the ordinary server, with nothing in front. */
export const testNodes = Number(process.env.STEMMA_TEST_NODES ?? 1)

export const onPeer = process.env.STEMMA_TEST_HOST === 'peer'

/** Options for tests that only make sense on Stemma: skips them, saying so, on the peer. */
export const stemmaOnly: { readonly skip?: string } = onPeer ? { skip: 'not on the peer' } : {}

export async function openHost(name: string, env: Readonly<Record<string, string>> = {}): Promise<Host> {
  const folder = new TempFolder(name)
  const git = new Git(folder)
  try {
    return onPeer ? await openPeer(folder, git) : await openServer(folder, git, env)
  } catch (error) {
    folder.remove()
    throw error
  }
}

async function openServer(folder: TempFolder, git: Git, env: Readonly<Record<string, string>>): Promise<Host> {
  const { server, stop } = testNodes > 1 ? await startNodes(folder, env) : await startAlone(folder, env)
  return {
    kind: 'stemma',
    folder,
    git,
    server,
    create: (repository, objectFormat = 'sha1') =>
      server.create(repository, objectFormat === 'sha1' ? {} : { object_format: objectFormat }),
    configure: async (repository, settings) => {
      const answer = await server.api('PATCH', `/api/v3/repos/admin/${repository}/git-config`, settings)
      if (answer.status !== 200) throw new Error(`the settings were refused: ${answer.status} ${JSON.stringify(answer.body)}`)
    },
    close: async () => {
      try {
        await stop()
      } finally {
        folder.remove()
      }
    },
  }
}

interface Started {
  readonly server: Server
  stop(): Promise<unknown>
}

async function startAlone(folder: TempFolder, env: Readonly<Record<string, string>>): Promise<Started> {
  const server = await Server.start({ data: folder.join('data'), env })
  return { server, stop: () => server.stop() }
}

async function startNodes(folder: TempFolder, env: Readonly<Record<string, string>>): Promise<Started> {
  const { openNodes } = await import('./nodes.ts') // with S3's client, which takes a while to load
  const nodes = await openNodes(folder, testNodes, env)
  const [server] = nodes.all
  if (server === undefined) throw new Error('no nodes')
  server.url = nodes.proxy.url
  const stop = async () => {
    const { counts } = nodes.proxy
    await nodes.close()
    const [least, most] = [Math.min(...counts), Math.max(...counts)]
    if (most - least > 1) throw new Error(`the nodes were not asked in turn: ${counts.join(' and ')} requests`)
  }
  return { server, stop }
}

async function openPeer(folder: TempFolder, git: Git): Promise<Host> {
  const peer = await Peer.start(folder)
  return {
    kind: 'peer',
    folder,
    git,
    get server(): Server {
      throw new Error('the peer is no Stemma')
    },
    create: async (repository, objectFormat = 'sha1') => {
      await peer.create(repository, [`--object-format=${objectFormat}`])
      return peer.repositoryUrl(repository)
    },
    configure: async () => {
      throw new Error('the peer has no such settings')
    },
    close: async () => {
      await peer.stop()
      folder.remove()
    },
  }
}
