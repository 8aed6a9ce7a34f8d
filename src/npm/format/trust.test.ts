import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatClaims, isMeant, parseTrust } from './trust.ts'

const github = (more: object = {}) => ({
  type: 'github',
  claims: { repository: 'Acme/app', workflow_ref: { file: 'release.yml' }, ...more },
  permissions: ['createPackage'],
})
const job = {
  repository: 'acme/app',
  workflow_ref: 'acme/app/.github/workflows/release.yml@refs/heads/main',
  ref: 'refs/heads/main',
  environment: 'npm',
}

test('a job of GitHub’s is meant by its repository, its workflow, and what else is said', () => {
  const meant = (trust: object, claims: object = {}) => isMeant(parseTrust(trust).job, { ...job, ...claims })
  assert.ok(meant(github()))
  assert.ok(meant(github({ environment: 'npm', ref: 'refs/heads/main' })))
  assert.ok(meant(github({ ref: 'refs/heads/*' })))
  for (const [trust, claims] of [
    [github(), { repository: 'acme/app2' }],
    [github(), { repository: 'evil/app', workflow_ref: 'acme/app/.github/workflows/release.yml@x' }],
    [github(), { workflow_ref: 'evil/app/.github/workflows/release.yml@refs/heads/main' }],
    [github(), { workflow_ref: 'acme/app/.github/workflows/other.yml@refs/heads/main' }],
    [github(), { workflow_ref: 'acme/app/.github/workflows/release.yml.yml@refs/heads/main' }],
    [github(), { workflow_ref: 'acme/app/.github/workflows/release.yml' }],
    [github(), { workflow_ref: undefined }],
    [github(), { repository: undefined }],
    [github({ environment: 'npm' }), { environment: 'test' }],
    [github({ environment: 'npm' }), { environment: undefined }],
    [github({ ref: 'refs/heads/main' }), { ref: 'refs/heads/main2' }],
    [github({ ref: 'refs/tags/*' }), {}],
  ] as const)
    assert.ok(!meant(trust, claims), JSON.stringify([trust, claims]))
})

test('a job of GitLab’s', () => {
  const trust = parseTrust({
    type: 'gitlab',
    claims: { project_path: 'group/sub/app', ci_config_ref_uri: { file: '.gitlab-ci.yml' }, ref: 'refs/heads/main' },
  })
  const claims = {
    project_path: 'group/sub/app',
    ci_config_ref_uri: 'gitlab.com/group/sub/app//.gitlab-ci.yml@refs/heads/main',
    ref: 'main',
    ref_path: 'refs/heads/main',
  }
  assert.ok(isMeant(trust.job, claims))
  assert.ok(!isMeant(trust.job, { ...claims, ref_path: 'refs/heads/other' }))
  assert.ok(!isMeant(trust.job, { ...claims, ci_config_ref_uri: 'gitlab.com/group/sub/app//dir/.gitlab-ci.yml@refs/heads/main' }))
  assert.ok(!isMeant(trust.job, { ...claims, project_path: 'group/sub/app/x' }))
  assert.deepEqual(trust.permissions, ['createPackage'])
})

test('what was sent comes back as npm shows it', () => {
  const sent = github({ environment: 'npm' })
  assert.deepEqual(formatClaims(parseTrust(sent).job), sent.claims)
})

test('what would trust more than is meant is refused', () => {
  for (const bad of [
    null,
    [],
    { type: 'circleci', claims: {} },
    { type: 'constructor', claims: {} },
    github({ repository: '*' }),
    github({ repository: 'acme/*' }),
    github({ repository: 'acme' }),
    github({ repository: 'a/b/c' }),
    github({ workflow_ref: 'release.yml' }),
    github({ workflow_ref: { file: '../x.yml' } }),
    github({ workflow_ref: { file: '*.yml' } }),
    github({ workflow_ref: { file: 'release' } }),
    github({ workflow_ref: {} }),
    github({ environment: '' }),
    github({ ref: 'main' }),
    github({ ref: 'refs/*/main' }),
    github({ actor: 'me' }),
    { ...github(), permissions: [] },
    { ...github(), permissions: ['everything'] },
  ])
    assert.throws(() => parseTrust(bad), { code: 'bad-trust' }, JSON.stringify(bad))
})
