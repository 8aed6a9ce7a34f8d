import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AllowedHosts, isPublicAddress } from './private-addresses.ts'

test('addresses that everybody reaches, and those that only this network does', () => {
  const open = ['1.1.1.1', '8.8.8.8', '93.184.216.34', '172.15.255.255', '172.32.0.0', '100.63.255.255', '100.128.0.0', '223.255.255.255']
  for (const address of [
    ...open,
    '2606:4700::1111',
    '2a00:1450::1',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
    '2002:808:808::1',
    '2001:200::1',
  ]) {
    assert.equal(isPublicAddress(address), true, address)
  }
  const closed4 = ['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '127.0.0.1', '127.255.255.255', '169.254.169.254', '172.16.0.1']
  closed4.push('172.31.255.255', '192.0.0.1', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1', '198.19.255.255', '198.51.100.1')
  closed4.push('203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255')
  const closed6 = [
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:0:10.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b::10.1.2.3',
  ]
  closed6.push('64:ff9b:1::1', '2002:7f00:1::', '2002:a9fe:a9fe::1', '2001::1', '2001:0:4136:e378:8000:63bf:3fff:fdd2', '2001:db8::1')
  closed6.push('2001:10::1', 'fc00::1', 'fd12:3456::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1', '3fff::1', '100::1', '4000::1')
  for (const address of [...closed4, ...closed6, '', 'localhost', '127.1', '2130706433', '0x7f000001', '8.8.8.8.8', '1.1.1.1%eth0']) {
    assert.equal(isPublicAddress(address), false, address)
  }
})

test('what an operator allows', () => {
  const allowed = new AllowedHosts(['10.1.0.0/16', '127.0.0.1', 'fd00::/8', 'CI.internal'])
  for (const address of ['10.1.2.3', '127.0.0.1', 'fd12::1', '::ffff:10.1.2.3', '64:ff9b::a01:203']) {
    assert.equal(allowed.hasAddress(address), true, address)
  }
  for (const address of ['10.2.0.1', '127.0.0.2', 'fe80::1', 'x', '']) assert.equal(allowed.hasAddress(address), false, address)
  assert.deepEqual(
    ['ci.internal', 'CI.INTERNAL.', 'xci.internal', 'internal'].map((name) => allowed.hasName(name)),
    [true, true, false, false],
  )
  for (const bad of [
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0/8',
    '1.2.3',
    'a b',
    '',
    'http://x',
    '10.0.0.0/8/8',
    '*.internal',
    '-x',
    '::1/x',
  ]) {
    assert.throws(() => new AllowedHosts([bad]), RangeError, bad)
  }
})
