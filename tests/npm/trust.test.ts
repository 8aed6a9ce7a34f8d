// What npm's clients verify: the registry's signatures, and provenance that was published with a version.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { TestSigstore } from '../support/sigstore.ts'
import type { ClientHome } from './client-home.ts'
import { SigstoreMirror } from './sigstore-mirror.ts'
import { NpmStand } from './stand.ts'

const sigstore = new TestSigstore()
const mirror = new SigstoreMirror(sigstore.trustedRoot())
let stand: NpmStand
before(async () => {
  await mirror.open()
  stand = await NpmStand.open('trust')
})
after(async () => {
  mirror.close()
  await stand?.close()
})

for (const client of ['npm', 'npm-11'] as const)
  describe(client, () => {
    let home: ClientHome
    let env: Record<string, string>
    const name = `@olive/${client}-vouched`
    before(() => {
      home = stand.home(client)
      env = mirror.letIn(home.path, [home.join('cache', '_tuf'), home.join('.local', 'share', 'sigstore-js')])
    })
    it('publishes with a provenance bundle, and verifies it and the registry’s signature', async () => {
      const [version, file] = ['1.0.0', `olive-${client}-vouched-1.0.0.tgz`]
      const cwd = home.folder('vouched', { 'package.json': { name, version, license: 'MIT' }, 'index.js': 'module.exports = 1\n' })
      await home.ok(['pack'], { cwd })
      const tarball = readFileSync(join(cwd, file))
      writeFileSync(join(cwd, 'bundle.json'), sigstore.provenance({ name, version, tarball }))
      await home.ok(['publish', file, '--provenance-file=bundle.json'], { cwd, env })
      const { dist } = (await stand.packument(name)).versions[version]
      assert.equal(dist.attestations.provenance.predicateType, 'https://slsa.dev/provenance/v1')
      const project = home.folder('verifies', { 'package.json': { name: 'app', version: '1.0.0', private: true } })
      await home.ok(['install', name], { cwd: project })
      const said = await home.ok(['audit', 'signatures'], { cwd: project, env })
      assert.match(said, /1 package has a verified registry signature/)
      assert.match(said, /1 package has a verified attestation/)
    })
  })
