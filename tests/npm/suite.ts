// What every client has to be able to do with the registry. Each says which command does it; what a client has no command for is null, and no test of its.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { seededBytes } from '../support/random.ts'
import { tarMember, tarOf } from '../support/tar.ts'
import { until } from '../support/until.ts'
import type { ClientHome } from './client-home.ts'
import type { ClientName } from './installed.ts'
import { advisory, NpmStand } from './stand.ts'

type Args = readonly string[]

export interface Commands {
  /** In the package's folder. */
  readonly publish: (tag?: string) => Args
  /** Of a tarball in the folder; null: it packs itself what it publishes. */
  readonly publishFile: ((file: string) => Args) | null
  readonly add: (spec: string) => Args
  /** From the lockfile alone, which it finds whole. */
  readonly ci: Args
  readonly lockfile: string
  readonly distTag: {
    readonly add: (spec: string, tag: string) => Args
    readonly list: (name: string) => Args
    readonly remove: (name: string, tag: string) => Args
  } | null
  readonly deprecate: ((spec: string, text: string) => Args) | null
  readonly unpublish: ((spec: string) => Args) | null
  readonly search: ((text: string) => Args) | null
  readonly view: (name: string) => Args
  readonly whoami: Args | null
  readonly audit: Args | null
  readonly signatures: Args | null
  /** What waits for a yes; `publish` in the package's folder. */
  readonly stage: {
    readonly publish: Args
    readonly list: Args
    readonly approve: (id: string) => Args
    readonly reject: (id: string) => Args
  } | null
  readonly workspaces: {
    /** How one package of them names another. */
    readonly range: string
    readonly files?: Readonly<Record<string, string | object>>
    /** In their root, before they are published. */
    readonly prepare?: Args
    /** In their root: all of them. */
    readonly publish: readonly { readonly args: Args; readonly cwd?: string }[]
  }
  /** What the client says of a token that isn't good any more. */
  readonly unauthorised: RegExp
  /** What it says of content that isn't what the lockfile says. */
  readonly tampered: RegExp
}

/** Packages of a client's are `@olive/CLIENT-…`, so that no two tests meet. */
export function clientSuite(client: ClientName, commands: Commands, more?: (stand: () => NpmStand, home: () => ClientHome) => void): void {
  let stand: NpmStand
  let home: ClientHome
  before(async () => {
    stand = await NpmStand.open(client)
    home = stand.home(client)
  })
  after(async () => await stand?.close())
  const named = (name: string) => `@olive/${client}-${name}`

  /** A folder with a package of that version, which says its version. */
  const written = (
    name: string,
    version: string,
    files: Readonly<Record<string, string | Uint8Array | object>> = {},
    manifest: object = {},
  ) =>
    home.folder(join('packages', `${name.replace('/', '-')}-${version}`), {
      'package.json': { name, version, description: `made by ${client}`, license: 'MIT', main: 'index.js', ...manifest },
      'index.js': `module.exports = '${name} ${version}'\n`,
      'README.md': `# ${name}\n`,
      ...projectFiles(client),
      ...files,
    })
  const publish = async (name: string, version: string, tag?: string, at: ClientHome = home) => {
    const cwd = written(name, version)
    await prepared(at, cwd)
    return at.ok(commands.publish(tag), { cwd })
  }
  /** A project with nothing in it. */
  const project = (name: string, manifest: object = {}) =>
    home.folder(join('projects', name), { 'package.json': { name, version: '1.0.0', private: true, ...manifest }, ...projectFiles(client) })

  describe(client, () => {
    it('publishes a scoped package, with and without a tag, and a version once', async () => {
      const name = named('tool')
      await publish(name, '1.0.0')
      await publish(name, '2.0.0-beta.1', 'next')
      assert.deepEqual(await stand.tags(name), { latest: '1.0.0', next: '2.0.0-beta.1' })
      const { versions, readme } = await stand.packument(name)
      assert.deepEqual(Object.keys(versions), ['1.0.0', '2.0.0-beta.1'])
      assert.equal(versions['1.0.0'].description, `made by ${client}`)
      assert.match(readme, /^# @olive/)
      assert.match(
        await home.fails(commands.publish(), { cwd: written(name, '1.0.0') }),
        /previously published|already (published|present)|40[39]/i,
      )
      assert.match(await home.ok(commands.view(name), { cwd: project('viewed') }), /2\.0\.0-beta\.1/)
    })

    it('installs from a clean cache, and from the lockfile what it says and nothing else', async () => {
      const name = named('lib')
      await publish(name, '1.2.3')
      const cwd = project('app')
      const fresh = () => {
        home.clean()
        rmSync(join(cwd, 'node_modules'), { recursive: true, force: true })
      }
      fresh()
      await home.ok(commands.add(name), { cwd })
      const main = join(cwd, 'node_modules', name, 'index.js')
      assert.equal(readFileSync(main, 'utf8'), `module.exports = '${name} 1.2.3'\n`)
      // what came later is not for whoever has a lockfile
      await publish(name, '1.3.0')
      fresh()
      await home.ok(commands.ci, { cwd })
      assert.equal(readFileSync(main, 'utf8'), `module.exports = '${name} 1.2.3'\n`)
      const lockfile = join(cwd, commands.lockfile)
      const lock = readFileSync(lockfile, 'utf8')
      const forged = lock.replaceAll(/(sha512-|10c0\/)(.)/g, (_, kind: string, first: string) => kind + (first === 'a' ? 'b' : 'a'))
      assert.notEqual(forged, lock)
      writeFileSync(lockfile, forged)
      fresh()
      assert.match(await home.fails(commands.ci, { cwd }), commands.tampered)
      assert.ok(!existsSync(main))
    })

    const { distTag, deprecate, unpublish, search, audit, signatures, stage, workspaces } = commands
    if (distTag !== null)
      it('sets, lists and removes dist-tags', async () => {
        const name = named('tagged')
        await publish(name, '1.0.0')
        const cwd = project('tags')
        await home.ok(distTag.add(`${name}@1.0.0`, 'stable'), { cwd })
        assert.match(await home.ok(distTag.list(name), { cwd }), /stable(: | → )1\.0\.0/)
        await home.ok(distTag.remove(name, 'stable'), { cwd })
        assert.deepEqual(await stand.tags(name), { latest: '1.0.0' })
      })

    if (deprecate !== null)
      it('deprecates a version', async () => {
        const name = named('old')
        await publish(name, '1.0.0')
        await publish(name, '1.1.0')
        await home.ok(deprecate(`${name}@1.0.0`, 'use 1.1'))
        const { versions } = await stand.packument(name)
        assert.deepEqual([versions['1.0.0'].deprecated, versions['1.1.0'].deprecated], ['use 1.1', undefined])
      })

    if (unpublish !== null)
      it('unpublishes a version, which never comes again', async () => {
        const name = named('gone')
        await publish(name, '1.0.0')
        await publish(name, '1.1.0')
        await home.ok(unpublish(`${name}@1.1.0`))
        assert.deepEqual(Object.keys((await stand.packument(name)).versions), ['1.0.0'])
        assert.deepEqual(await stand.tags(name), { latest: '1.0.0' })
        assert.match(
          await home.fails(commands.publish(), { cwd: written(name, '1.1.0') }),
          /never comes again|40[39]|previously published/i,
        )
        await home.ok([...unpublish(name), '--force'])
        assert.equal(await stand.packument(name), null)
      })

    if (search !== null)
      it('finds what was published', async () => {
        const name = named('findable')
        await publish(name, '1.0.0')
        await until('it is found', async () => (await home.ok(search('findable'))).includes(name))
      })

    if (commands.whoami !== null)
      it('says who one is', async () => assert.match(await home.ok(commands.whoami as Args, { cwd: project('who') }), /olive/))

    if (audit !== null)
      it('audits what is installed', async () => {
        const name = named('leaky')
        await publish(name, '1.0.0')
        const cwd = project('audited')
        await home.ok(commands.add(`${name}@1.0.0`), { cwd })
        assert.match(await home.fails(audit, { cwd }), /It leaks|GHSA-leak-leak-leak/)
        await publish(name, '1.1.0')
        await home.ok(commands.add(`${name}@1.1.0`), { cwd })
        assert.ok(!(await home.ok(audit, { cwd })).includes(advisory))
      })

    if (signatures !== null)
      it('verifies the registry’s signatures', async () => {
        const name = named('signed')
        await publish(name, '1.0.0')
        const cwd = project('signatures')
        await home.ok(commands.add(name), { cwd })
        assert.match(await home.ok(signatures, { cwd }), /1 package has (a )?verified registry signature/)
      })

    if (stage !== null)
      it('puts a version forward, lists it, and publishes it by a yes alone', async () => {
        const name = named('staged')
        await publish(name, '1.0.0')
        const cwd = written(name, '1.1.0')
        await prepared(home, cwd)
        await home.ok(stage.publish, { cwd })
        const id = await stand.staged(name)
        assert.ok((await home.ok(stage.list, { cwd })).includes(name))
        assert.deepEqual(await stand.tags(name), { latest: '1.0.0' })
        await home.ok(stage.approve(id), { cwd })
        assert.deepEqual(await stand.tags(name), { latest: '1.1.0' })
        const other = written(name, '1.2.0')
        await prepared(home, other)
        await home.ok(stage.publish, { cwd: other })
        await home.ok(stage.reject(await stand.staged(name)), { cwd: other })
        assert.deepEqual(await stand.tags(name), { latest: '1.1.0' })
      })

    it('publishes the packages of a workspace, which need each other', async () => {
      const [first, second] = [named('first'), named('second')]
      const manifest = (name: string, dependencies: object) => ({ name, version: '1.0.0', license: 'MIT', main: 'index.js', dependencies })
      const root = home.folder('workspaces', {
        'package.json': { name: 'root', version: '1.0.0', private: true, workspaces: ['packages/*'] },
        ...projectFiles(client),
        ...workspaces.files,
        'packages/first/package.json': manifest(first, {}),
        'packages/first/index.js': `module.exports = 'first'\n`,
        'packages/second/package.json': manifest(second, { [first]: workspaces.range }),
        'packages/second/index.js': `module.exports = require('${first}')\n`,
      })
      if (workspaces.prepare !== undefined) await home.ok(workspaces.prepare, { cwd: root })
      for (const { args, cwd = '' } of workspaces.publish) await home.ok(args, { cwd: join(root, cwd) })
      assert.deepEqual((await stand.packument(second)).versions['1.0.0'].dependencies, {
        [first]: workspaces.range.replace(/^workspace:\^$/, '^1.0.0'),
      })
      const cwd = project('of-workspaces')
      home.clean()
      await home.ok(commands.add(second), { cwd })
      assert.equal(resolved(cwd, second), 'first')
    })

    it('publishes and installs 100 MB', async () => {
      const name = named('large')
      const noise = seededBytes(name, 100_000_000)
      if (commands.publishFile === null) {
        const cwd = written(name, '1.0.0', { 'noise.bin': noise })
        await prepared(home, cwd)
        await home.ok(commands.publish(), { cwd })
      } else {
        const manifest = { name, version: '1.0.0', license: 'MIT', main: 'index.js' }
        const files = { 'package.json': manifest, 'large.tgz': packed(manifest, { 'noise.bin': noise }) }
        await home.ok(commands.publishFile('large.tgz'), { cwd: home.folder('large', files) })
      }
      const { dist } = (await stand.packument(name)).versions['1.0.0']
      assert.ok(dist.unpackedSize > 100_000_000)
      const app = project('large')
      home.clean()
      await home.ok(commands.add(name), { cwd: app })
      assert.ok(readFileSync(join(app, 'node_modules', name, 'noise.bin')).equals(noise))
    })

    it('is refused from the moment that its token is revoked', async () => {
      const name = named('revoked')
      const issued = await stand.issue()
      const other = stand.home(client, issued.token, `revoked-${client}`)
      await publish(name, '1.0.0', undefined, other)
      const cwd = project('revoked')
      other.clean()
      await other.ok(commands.add(name), { cwd })
      await stand.revoke(issued)
      const late = written(name, '1.1.0')
      await prepared(home, late)
      assert.match(await other.fails(commands.publish(), { cwd: late }), commands.unauthorised)
      assert.deepEqual(await stand.tags(name), { latest: '1.0.0' })
      other.clean()
      rmSync(join(cwd, 'node_modules'), { recursive: true, force: true })
      assert.match(await other.fails(commands.ci, { cwd }), commands.unauthorised)
    })
  })
  more?.(
    () => stand,
    () => home,
  )
}

/** Yarn takes a folder as a project by its lockfile, and publishes from projects alone. */
function projectFiles(client: ClientName): Readonly<Record<string, string>> {
  return client === 'berry' ? { 'yarn.lock': '' } : {}
}

async function prepared(home: ClientHome, cwd: string): Promise<void> {
  if (home.name === 'berry') await home.ok(['install'], { cwd })
}

/** A tarball that costs no time to pack. */
function packed(manifest: object, files: Readonly<Record<string, Uint8Array>>): Buffer {
  const all = { 'package.json': Buffer.from(JSON.stringify(manifest)), ...files }
  return gzipSync(tarOf(...Object.entries(all).map(([name, body]) => tarMember({ name: `package/${name}`, body }))), { level: 0 })
}

/** What a package of the project gives to whoever requires it. */
function resolved(cwd: string, name: string): string {
  return createRequire(join(cwd, 'main.js'))(name) as string
}
