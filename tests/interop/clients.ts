// The Git clients of the interop suite, each behind the same three verbs. Where they can't do a thing, they say so in `notes`.
import fs, { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import isomorphic from 'isomorphic-git'
import http from 'isomorphic-git/http/node'
import { type Git, runProcess } from '../support/git.ts'

export interface Login {
  readonly username: string
  readonly password: string
}

export interface Client {
  readonly name: string
  /** The protocol that its requests were seen to use. */
  readonly protocol: string
  /** The release, or null where it is not installed. */
  version(): Promise<string | null>
  /** A clone with work tree. */
  clone(url: string, folder: string, login: Login): Promise<void>
  /** Fetches `main` of the URL into `refs/heads/fetched`. */
  fetch(url: string, folder: string, login: Login): Promise<void>
  /** Pushes HEAD to `refs/heads/from-NAME`. */
  push(url: string, folder: string, login: Login): Promise<void>
}

async function must(command: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const options = { env: { PATH: process.env.PATH ?? '', ...env }, timeoutMs: 180_000 }
  const result = await runProcess(command, args, options)
  if (result.code !== 0) throw new Error(`${command} ${args.join(' ')}\n${result.stdout}${result.stderr}`)
  return result.stdout.trim()
}

function withLogin(url: string, login: Login): string {
  return url.replace('//', `//${login.username}:${login.password}@`)
}

export function gitClient(git: Git, version: '0' | '1' | '2'): Client {
  const config = ['-c', `protocol.version=${version}`]
  return {
    name: `git-v${version}`,
    protocol: `v${version}`,
    version: async () => (await git.read(['--version'])).replace('git version ', ''),
    clone: async (url, folder, login) => void (await git.run([...config, 'clone', '-q', withLogin(url, login), folder])),
    fetch: async (url, folder, login) =>
      void (await git.run([...config, 'fetch', '-q', withLogin(url, login), 'main:refs/heads/fetched'], { cwd: folder })),
    push: async (url, folder, login) =>
      void (await git.run([...config, 'push', '-q', withLogin(url, login), `HEAD:refs/heads/from-git-v${version}`], { cwd: folder })),
  }
}

/**
 * Debian's /usr/bin/jgit leaves the LFS library out of its class path, so Java is started by hand. Its clone ends with an error of the
 * LFS step on some repositories after everything was fetched; what counts is what stands in the folder.
 */
export function jgitClient(git: Git): Client {
  const jars = '/usr/share/java'
  const wanted =
    /^(org\.eclipse\.jgit(\.(archive|http\.apache|lfs|lfs\.server|pgm|ui|http\.server))?|args4j|commons-(codec|compress|logging)|gson|httpc(lient|ore)|javaewah|jsch|slf4j-(api|nop)|xz)\.jar$/
  const home = join(git.home, 'jgit')
  const jgit = async (args: readonly string[], login?: Login): Promise<string> => {
    mkdirSync(home, { recursive: true })
    // Its command line takes credentials from here alone (or asks in a window).
    const line = login === undefined ? '' : `machine 127.0.0.1 login ${login.username} password ${login.password}\n`
    writeFileSync(join(home, '.netrc'), line, { mode: 0o600 })
    const path = readdirSync(jars)
      .filter((name) => wanted.test(name))
      .map((name) => join(jars, name))
      .join(':')
    const flags = ['-cp', path, `-Duser.home=${home}`, '-Djava.awt.headless=true']
    return await must('java', [...flags, 'org.eclipse.jgit.pgm.Main', ...args], { HOME: home, LC_ALL: 'C.UTF-8' })
  }
  return {
    name: 'jgit',
    protocol: 'v0',
    version: async () =>
      existsSync(join(jars, 'org.eclipse.jgit.pgm.jar')) ? (await jgit(['version'])).replace('jgit version ', '') : null,
    clone: async (url, folder, login) => void (await jgit(['clone', url, folder], login)),
    fetch: async (url, folder, login) => {
      await git.run(['config', 'remote.there.url', url], { cwd: folder })
      await jgit(['--git-dir', join(folder, '.git'), 'fetch', 'there', 'refs/heads/main:refs/heads/fetched'], login)
    },
    push: async (url, folder, login) => {
      await git.run(['config', 'remote.there.url', url], { cwd: folder })
      await jgit(['--git-dir', join(folder, '.git'), 'push', 'there', 'HEAD:refs/heads/from-jgit'], login)
    },
  }
}

export function pythonClient(git: Git, name: 'dulwich' | 'pygit2'): Client {
  const run = (action: string, url: string, folder: string, login: Login): Promise<string> =>
    must('/usr/bin/python3', [join(import.meta.dirname, `${name}-client.py`), action, url, folder, login.username, login.password], {
      HOME: git.home,
      LC_ALL: 'C.UTF-8',
    })
  const versionOf = name === 'dulwich' ? "'.'.join(map(str, m.__version__))" : "m.__version__ + ' (libgit2 ' + m.LIBGIT2_VERSION + ')'"
  return {
    name,
    protocol: 'v0',
    version: async () => {
      const found = await runProcess('/usr/bin/python3', ['-c', `import ${name} as m; print(${versionOf})`])
      return found.code === 0 ? found.stdout.trim() : null
    },
    clone: async (url, folder, login) => void (await run('clone', url, folder, login)),
    fetch: async (url, folder, login) => void (await run('fetch', url, folder, login)),
    push: async (url, folder, login) => void (await run('push', url, folder, login)),
  }
}

export function isomorphicClient(): Client {
  const common = (url: string, dir: string, login: Login) => ({ fs, http, dir, url, onAuth: () => ({ ...login }) })
  return {
    name: 'isomorphic',
    protocol: 'v0',
    version: async () => isomorphic.version(),
    clone: async (url, folder, login) => await isomorphic.clone({ ...common(url, folder, login), ref: 'main' }),
    fetch: async (url, folder, login) => {
      const fetched = await isomorphic.fetch({ ...common(url, folder, login), ref: 'main', singleBranch: true, tags: false })
      if (fetched.fetchHead === null) throw new Error('isomorphic-git fetched no tip')
      await isomorphic.writeRef({ fs, dir: folder, ref: 'refs/heads/fetched', value: fetched.fetchHead, force: true })
    },
    push: async (url, folder, login) => {
      const pushed = await isomorphic.push({ ...common(url, folder, login), ref: 'main', remoteRef: 'refs/heads/from-isomorphic' })
      if (!pushed.ok) throw new Error(`isomorphic-git: ${JSON.stringify(pushed)}`)
    },
  }
}
