import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressKey } from './address.ts'

test('what is no address takes no room of its own', () => {
  for (const text of ['', 'unknown', 'x'.repeat(100_000), '1.2.3.4, 5.6.7.8', '::g']) assert.equal(addressKey(text), 'none')
})

test('IPv4 as it is, IPv6 by its /64, however it is written', () => {
  assert.equal(addressKey('192.0.2.7'), '192.0.2.7')
  assert.equal(addressKey('::ffff:192.0.2.7'), '192.0.2.7')
  for (const same of ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:0DB8:0001:0002::', '2001:db8:1:2:3::192.0.2.1'])
    assert.equal(addressKey(same), '2001:db8:1:2::/64', same)
  assert.equal(addressKey('2001:db8:1:3::1'), '2001:db8:1:3::/64')
  assert.equal(addressKey('::1'), '0:0:0:0::/64')
  assert.equal(addressKey('fe80::1%eth0'), 'fe80:0:0:0::/64')
  assert.equal(addressKey('2001:db8::5:6:7:8:9'), '2001:db8:0:5::/64')
})
