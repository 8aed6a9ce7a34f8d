// The OCI's own conformance suite for registries against the real server, with everything that it can test switched on: once as version 1.1 of the specification,
// once as what will follow (`dev`). Nothing may fail, and nothing may be skipped: a skip says that an optional part is missing.
//   bin/node tests/oci/conformance.ts
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Forks } from '../support/forks.ts'
import { runProcess, TempFolder } from '../support/git.ts'
import { Server } from '../support/server.ts'
import { installed } from './installed.ts'

const versions = ['1.1', 'dev'] as const

/** Manifests whose layers don't exist are refused here, as the specification allows; 1.1 has no cancel, tag parameters or required digest headers. */
const switchedOn: Readonly<Record<string, string>> = {
  OCI_API_BLOBS_MOUNT_ANONYMOUS: 'true',
  OCI_API_BLOBS_UPLOAD_CANCEL: 'true',
  OCI_API_BLOBS_DIGEST_HEADER: 'true',
  OCI_API_MANIFESTS_DIGEST_HEADER: 'true',
  OCI_API_MANIFESTS_TAG_PARAM: 'true',
  OCI_DATA_SHA512: 'true',
}

interface Count {
  readonly tests: number
  /** Everything but a pass: failed, skipped, switched off. */
  readonly bad: number
  readonly said: readonly string[]
}

/** What stands in the suite's JUnit report: the sums, and of the parts that have none below them those that didn't pass. */
function countOf(report: string): Count {
  const [head = ''] = /<testsuite .*?>/s.exec(report) ?? []
  const [tests = 0, ...others] = ['tests', 'failures', 'errors', 'skipped', 'disabled'].map((name) =>
    Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0),
  )
  const said = [...report.matchAll(/<testcase name="([^"]*)"[^>]*status="([^"]*)"[^>]*>(.*?)<\/testcase>/gs)]
    .filter(([, , status]) => status !== 'passed')
    .map(
      ([, name, status, inside = '']) =>
        `${status}: ${name}\n  ${(/<system-out>(.*?)<\/system-out>/s.exec(inside)?.[1] ?? '').slice(0, 500)}`,
    )
  return { tests, bad: others.reduce((sum, count) => sum + count, 0), said }
}

const suite = await installed('conformance')
if ('skipped' in suite) {
  console.log(suite.skipped)
  process.exit(0)
}

const folder = new TempFolder('oci-conformance')
const server = await Server.start({ data: folder.join('data') })
const forks = Forks.open(server)
let failed = 0
try {
  for (const version of versions) {
    const results = folder.join(version)
    const owner = `owner-${version.replace('.', '-')}`
    const account = await forks.account(owner)
    const made = await server.api('POST', '/api/v3/user/tokens', { name: 'conformance', scopes: ['package:admin'] }, account.token)
    if (made.status !== 201) throw new Error(`making a token: ${made.status} ${JSON.stringify(made.body)}`)
    const settings = { OCI_VERSION: version, OCI_REGISTRY: `127.0.0.1:${server.port}`, OCI_TLS: 'disabled', OCI_RESULTS_DIR: results }
    const names = { OCI_REPO1: `${owner}/conformance/one`, OCI_REPO2: `${owner}/two` }
    const login = { OCI_USERNAME: owner, OCI_PASSWORD: made.body.token as string }
    const env = { PATH: '/usr/bin:/bin', ...settings, ...names, ...login, ...switchedOn }
    const ran = await runProcess(suite.path, [], { env, cwd: folder.path, timeoutMs: 600_000 })
    const { tests, bad, said } = countOf(readFileSync(join(results, 'junit.xml'), 'utf8'))
    // fewer tests than it has, or an end that its report doesn't tell of
    const broken = tests < 900 || (ran.code !== 0 && bad === 0) ? 1 : 0
    for (const one of said) console.log(one)
    if (broken) console.log(ran.stdout, ran.stderr)
    console.log(`OCI conformance ${version}: ${tests - bad} of ${tests} passed`)
    console.log(`ℹ pass ${tests - bad}\nℹ fail ${bad + broken}`)
    failed += bad + broken
  }
} finally {
  await forks.close()
  await server.stop()
  folder.remove()
}
process.exit(failed === 0 ? 0 : 1)
