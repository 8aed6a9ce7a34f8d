import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { type ContentType, type Delivery, sendingOf, signatures } from './sending.ts'

const delivery: Delivery = {
  guid: '72d3162e-cc78-11e3-81ab-4c9367dc0958',
  hookId: 292430182,
  target: { kind: 'repository', id: 79929171 },
  contentType: 'json',
  secret: "It's a Secret to Everybody",
  event: 'push',
  type: 'com.github.push',
  source: 'http://here/api/v3/repos/o/r',
  subject: 'refs/heads/ä b"%\u{1f511}',
  at: new Date('2026-11-27T09:00:00.123Z'),
  payload: 'Hello, World!',
}
const sent = (contentType: ContentType, more: Partial<Delivery> = {}) => {
  const { headers, body } = sendingOf({ ...delivery, payload: '{"a":"ü&="}', contentType, ...more }, 'stemma/1')
  return { headers, text: Buffer.from(body).toString() }
}

test("the signature of GitHub's documentation", () => {
  assert.equal(
    sendingOf(delivery, 'stemma/1').headers['x-hub-signature-256'],
    'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
  )
})

test('every content type is signed over the bytes that are sent', () => {
  for (const contentType of ['json', 'form', 'cloudevents', 'cloudevents-binary'] as const) {
    const { headers, text } = sent(contentType)
    assert.equal(
      headers['x-hub-signature-256'],
      `sha256=${createHmac('sha256', delivery.secret as string)
        .update(text)
        .digest('hex')}`,
    )
    assert.equal(headers['content-length'], String(Buffer.byteLength(text)))
    assert.equal(sent(contentType, { secret: null }).headers['x-hub-signature-256'], undefined)
  }
  assert.notDeepEqual(signatures('a', Buffer.from('x')), signatures('b', Buffer.from('x')))
})

test('json and form', () => {
  assert.deepEqual([sent('json').text, sent('json').headers['content-type']], ['{"a":"ü&="}', 'application/json'])
  assert.equal(new URLSearchParams(sent('form').text).get('payload'), '{"a":"ü&="}')
  assert.equal(sent('form').headers['content-type'], 'application/x-www-form-urlencoded')
})

test('CloudEvents 1.0, structured', () => {
  const { headers, text } = sent('cloudevents')
  assert.equal(headers['content-type'], 'application/cloudevents+json; charset=UTF-8')
  assert.deepEqual(JSON.parse(text), {
    specversion: '1.0',
    id: delivery.guid,
    source: delivery.source,
    type: 'com.github.push',
    subject: delivery.subject,
    time: '2026-11-27T09:00:00.123Z',
    datacontenttype: 'application/json',
    data: { a: 'ü&=' },
  })
  assert.equal('subject' in JSON.parse(sent('cloudevents', { subject: null }).text), false)
})

test('CloudEvents 1.0, binary', () => {
  const { headers, text } = sent('cloudevents-binary')
  assert.equal(text, '{"a":"ü&="}')
  assert.equal(headers['ce-specversion'], '1.0')
  assert.equal(headers['ce-id'], delivery.guid)
  assert.equal(headers['ce-type'], 'com.github.push')
  assert.equal(headers['ce-source'], 'http://here/api/v3/repos/o/r')
  assert.equal(headers['ce-subject'], 'refs/heads/%C3%A4%20b%22%25%F0%9F%94%91')
  assert.equal(decodeURIComponent(headers['ce-subject'] as string), delivery.subject)
  assert.equal(headers['content-type'], 'application/json')
})
