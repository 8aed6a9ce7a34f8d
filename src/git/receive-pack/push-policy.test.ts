import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newPushParser } from '../format/index.ts'
import { readGitSettings } from '../settings/index.ts'
import { type PushCommand, startCommands } from './commands.ts'
import { pushFsckOf } from './fsck-settings.ts'
import { asksForAncestry, judge } from './push-policy.ts'

const [zero, one, two] = ['0'.repeat(40), '1'.repeat(40), '2'.repeat(40)]

function command(oldId: string, newId: string, ref: string): PushCommand {
  const parser = newPushParser('sha1')
  parser.line(Buffer.from(`${oldId} ${newId} ${ref}`))
  return startCommands(parser.finish().commands)[0] as PushCommand
}

test('ancestry is asked for only where it matters', () => {
  const settings = readGitSettings({ 'receive.denynonfastforwards': ['true'] }).push
  assert.equal(asksForAncestry(settings, command(one, two, 'refs/heads/x')), true)
  assert.equal(asksForAncestry(settings, command(one, two, 'refs/tags/x')), false)
  assert.equal(asksForAncestry(settings, command(one, two, 'refs/custom/x')), false)
  assert.equal(asksForAncestry(settings, command(zero, two, 'refs/heads/x')), false)
  assert.equal(asksForAncestry(settings, command(one, zero, 'refs/heads/x')), false)
  assert.equal(asksForAncestry(readGitSettings({}).push, command(one, two, 'refs/heads/x')), false)
})

test('what isn’t asked for isn’t held against a command', () => {
  const tip = { oid: two as never, kind: 1 as const, peeled: null }
  const facts = { head: 'refs/heads/main', ancestry: undefined, tip }
  assert.deepEqual(judge(command(one, two, 'refs/heads/main'), readGitSettings({}).push, facts), { error: null, said: '' })
  const denying = readGitSettings({ 'receive.denynonfastforwards': ['true'] }).push
  assert.equal(judge(command(one, two, 'refs/heads/main'), denying, { ...facts, ancestry: 'forced' }).error, 'non-fast-forward')
  assert.equal(judge(command(one, two, 'refs/heads/main'), denying, { ...facts, ancestry: 'forward' }).error, null)
  assert.equal(judge(command(one, two, 'refs/heads/main'), denying, { ...facts, tip: undefined }).error, 'missing necessary objects')
})

test('fsck settings: severities by id in any case, comments in skip lists, hosted defaults', () => {
  const fsck = (config: Record<string, string[]>) => pushFsckOf(readGitSettings(config).push.fsck, 'sha1')
  assert.deepEqual(fsck({}).settings?.severities, {
    zeroPaddedFilemode: 'warning',
    badTimezone: 'warning',
    missingSpaceBeforeDate: 'warning',
  })
  assert.equal(fsck({ 'receive.fsck.zeropaddedfilemode': ['error'] }).settings?.severities?.zeroPaddedFilemode, 'error')
  assert.equal(fsck({ 'receive.fsckobjects': ['false'] }).settings, null)
  assert.deepEqual(fsck({ 'receive.fsck.skiplist': ['# x', '', ` ${one.toUpperCase()} # y`] }).settings?.skip, [one])
  assert.throws(() => fsck({ 'receive.fsck.skiplist': [one.slice(1)] }), /invalid object name: 1+/)
  assert.throws(() => fsck({ 'receive.fsck.nulinheader': ['ignore'] }), /Cannot demote nulinheader to ignore/)
  assert.deepEqual(fsck({ 'receive.fsck.nulinheader': ['error'], 'receive.fsck.x': ['warn'] }).warnings, [
    "warning: skipping unknown msg id 'x'",
  ])
})
