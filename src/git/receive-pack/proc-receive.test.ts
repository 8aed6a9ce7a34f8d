// The proc-receive hook's protocol against scripted hooks, with the outcomes that git's own receive-pack has.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodePkt, flushPkt, newPushParser } from '../format/index.ts'
import { type PushCommand, resultsOf, startCommands } from './commands.ts'
import { isForProcReceive, procReceive } from './proc-receive.ts'
import type { HookProcess, HookPush } from './push-hooks.ts'

const zero = '0'.repeat(40)
const a = 'a'.repeat(40)
const b = 'b'.repeat(40)

interface Script {
  readonly greeting?: string | null
  /** Lines of the answer; null: it dies before. */
  readonly answer?: readonly string[] | null
  readonly exit?: number
}

function hook(script: Script, written: Uint8Array[] = []): HookProcess {
  const { greeting = 'version=1', answer = [], exit = 0 } = script
  return {
    output: (async function* () {
      if (greeting === null) return
      yield encodePkt(`${greeting}\n`)
      yield flushPkt
      if (answer === null) return
      for (const line of answer) yield encodePkt(line)
      yield flushPkt
    })(),
    write: (bytes) => written.push(bytes),
    end: () => {},
    exit: Promise.resolve(exit),
  }
}

function commandsFor(...refs: string[]): PushCommand[] {
  const parser = newPushParser('sha1')
  for (const ref of refs) parser.line(Buffer.from(`${zero} ${a} ${ref}`))
  return startCommands(parser.finish().commands).map((command) => ({
    ...command,
    hook: isForProcReceive(['refs/for'], command) ? ('scheduled' as const) : ('none' as const),
  }))
}

async function run(script: Script | null, commands: readonly PushCommand[], options: Partial<HookPush> = {}) {
  const said: (string | Uint8Array)[] = []
  const written: Uint8Array[] = []
  const push: HookPush = {
    options: null,
    isAtomic: false,
    certificate: null,
    pack: null,
    cutOff: [],
    say: (text) => void said.push(text),
    ...options,
  }
  await procReceive(commands, push, 'sha1', () => (script === null ? null : hook(script, written)))
  return {
    said: said.join(''),
    written: Buffer.concat(written).toString(),
    errors: Object.fromEntries(commands.map(({ ref, error }) => [ref, error])),
  }
}

const failed = 'fail to run proc-receive hook'

describe('proc-receive', () => {
  it('takes the commands that its settings name', () => {
    const is = (patterns: readonly string[], ref: string, action: 'create' | 'update' | 'delete' = 'create') =>
      isForProcReceive(patterns, { ref, action })
    assert.equal(is(['refs/for/'], 'refs/for/main'), true)
    assert.equal(is(['refs/for'], 'refs/for'), true)
    assert.equal(is(['refs/for'], 'refs/fort/main'), false)
    assert.equal(is([], 'refs/for/main'), false)
    assert.equal(is(['ad:refs/heads'], 'refs/heads/x', 'update'), false)
    assert.equal(is(['ad:refs/heads'], 'refs/heads/x', 'delete'), true)
    assert.equal(is(['m:refs/heads', 'refs/tags'], 'refs/heads/x', 'update'), true)
    assert.equal(is(['adm!:refs/heads'], 'refs/tags/x'), true)
    assert.equal(is(['adm!:refs/heads'], 'refs/heads/x'), false)
  })

  it('is told of its commands, and of options when it asks for them', async () => {
    const commands = commandsFor('refs/heads/next', 'refs/for/main')
    const answer = ['ok refs/for/main']
    const { written, errors } = await run({ greeting: 'version=1\0push-options', answer }, commands, {
      options: ['x', 'y z'],
      isAtomic: true,
    })
    const line = `${zero} ${a} refs/for/main`
    const greeting = '0022version=1\0atomic push-options\n'
    assert.equal(written, `${greeting}0000${(line.length + 4).toString(16).padStart(4, '0')}${line}00000005x0007y z0000`)
    assert.deepEqual(errors, { 'refs/heads/next': null, 'refs/for/main': null })
    assert.equal(commands[1]?.hook, 'answered')
    const quiet = await run({ greeting: 'version=1\0push-options', answer }, commandsFor('refs/for/main'))
    assert.ok(quiet.written.startsWith('000eversion=1\n0000'))
  })

  it('that is missing or fails refuses its own commands, and all of an atomic push', async () => {
    for (const [script, said] of [
      [null, "error: cannot find hook 'proc-receive'\n"],
      [{ greeting: null }, 'error: fail to negotiate version with proc-receive hook\n'],
      [{ greeting: 'version=2' }, "error: proc-receive version '2' is not supported\n"],
      [{ answer: null, exit: 128 }, 'error: proc-receive exited abnormally\n'],
    ] as const) {
      const some = await run(script, commandsFor('refs/heads/next', 'refs/for/main'))
      assert.equal(some.said, said)
      assert.deepEqual(some.errors, { 'refs/heads/next': null, 'refs/for/main': failed })
      const all = await run(script, commandsFor('refs/heads/next', 'refs/for/main'), { isAtomic: true })
      assert.deepEqual(all.errors, { 'refs/heads/next': failed, 'refs/for/main': failed })
    }
  })

  it('that says nothing of a command has failed for that', async () => {
    const { errors } = await run({}, commandsFor('refs/heads/next', 'refs/for/main', 'refs/for/next'))
    const nothing = 'proc-receive failed to report status'
    assert.deepEqual(errors, { 'refs/heads/next': null, 'refs/for/main': nothing, 'refs/for/next': nothing })
  })

  it('refuses with its own reason or none', async () => {
    const { errors } = await run(
      { answer: ['ng refs/for/main not allowed to push', 'ng refs/for/next'] },
      commandsFor('refs/for/main', 'refs/for/next'),
    )
    assert.deepEqual(errors, { 'refs/for/main': 'not allowed to push', 'refs/for/next': 'failed' })
  })

  it('is told off for lines that make no sense', async () => {
    for (const [line, said] of [
      ['ok', "error: proc-receive reported incomplete status line: 'ok'\n"],
      ['xx refs/for/main', "error: proc-receive reported bad status 'xx' on ref 'refs/for/main'\n"],
      ['ok refs/for/other', 'error: proc-receive reported status on unknown ref: refs/for/other\n'],
      ['ok refs/heads/next', 'error: proc-receive reported status on unexpected ref: refs/heads/next\n'],
      ['option fall-through', "error: proc-receive reported 'option' without a matching 'ok/ng' directive\n"],
    ] as const) {
      const result = await run({ answer: [line] }, commandsFor('refs/heads/next', 'refs/for/main'))
      assert.equal(result.said, said)
      assert.deepEqual(result.errors, { 'refs/heads/next': null, 'refs/for/main': 'proc-receive failed to report status' })
    }
  })

  it('says what became of a command, several things perhaps', async () => {
    const commands = commandsFor('refs/for/main', 'refs/for/next', 'refs/for/heads')
    const answer = [
      'ok refs/for/main',
      'option refname refs/pull/1/head',
      `option old-oid ${b}`,
      'option forced-update',
      'ok refs/for/main',
      'option refname refs/pull/2/head',
      `option new-oid ${b}`,
      'ok refs/for/next',
      'ok refs/for/heads',
      'option fall-through',
    ]
    const { said } = await run({ answer }, commands)
    assert.equal(said, '')
    const refBytes = (at: number) => commands[at]?.refBytes
    assert.deepEqual(resultsOf(commands, 2), [
      { ref: refBytes(0), error: null, refname: 'refs/pull/1/head', oldId: b, isForced: true },
      { ref: refBytes(0), error: null, refname: 'refs/pull/2/head', newId: b },
      { ref: refBytes(1), error: null },
      { ref: refBytes(2), error: null },
    ])
    assert.equal(resultsOf(commands, 1).length, 3)
    assert.deepEqual(
      commands.map((command) => command.hook),
      ['answered', 'answered', 'none'],
    )
  })
})
