import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyRequest } from 'fastify'
import { CorruptError, InputError, UnavailableError } from '../base/index.ts'
import { plainForm, problemOf, Refusal } from './problem.ts'

test('each family of errors has its status, and only the client’s own mistakes are explained', () => {
  assert.equal(problemOf(new InputError('bad-ref', 'no such ref name')).status, 400)
  assert.equal(problemOf(new InputError('bad-ref', 'no such ref name')).message, 'no such ref name')
  assert.equal(problemOf(new InputError('too-large', 'x')).status, 413)
  assert.equal(problemOf(new InputError('odd', 'x'), { odd: 409 }).status, 409)
  const unavailable = problemOf(new UnavailableError('database', 'connect ECONNREFUSED 10.0.0.7'))
  assert.deepEqual([unavailable.status, unavailable.headers], [503, { 'retry-after': '5' }])
  assert.ok(!unavailable.message.includes('10.0.0.7'))
  const corrupt = problemOf(new CorruptError('short', 'key pack/ab is short'))
  assert.deepEqual([corrupt.status, corrupt.alarm], [500, true])
  assert.ok(!corrupt.message.includes('pack/ab'))
  for (const odd of [new Error('secret'), 'secret', null, undefined, { code: 'FST_X' }]) {
    assert.deepEqual([problemOf(odd).status, problemOf(odd).message], [500, 'Internal server error'])
  }
})

test('a refusal keeps what it was given', () => {
  const problem = problemOf(new Refusal(405, 'wrong-method', 'no', { headers: { allow: 'GET' }, details: [1] }))
  assert.deepEqual(
    { ...problem },
    { status: 405, code: 'wrong-method', message: 'no', headers: { allow: 'GET' }, details: [1], alarm: false },
  )
})

test('the plain form is JSON unless text is asked for', () => {
  const problem = problemOf(new Refusal(404, 'not-found', 'Not Found'))
  const form = (accept?: string) => plainForm(problem, { headers: { accept } } as unknown as FastifyRequest).type.split(';')[0]
  assert.deepEqual(
    [form(), form('*/*'), form('application/json'), form('text/html,*/*')],
    [...Array(3).fill('application/json'), 'text/plain'],
  )
})
