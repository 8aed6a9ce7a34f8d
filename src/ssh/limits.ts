// What the SSH listener allows. Times in milliseconds; and the algorithms that it speaks.
import type { Algorithms } from 'ssh2'
import type { PaceLimits } from '../base/index.ts'

export interface SshLimits extends PaceLimits {
  /** At one time; more are refused by closing them. */
  readonly connections: number
  /** From the connection to the login. */
  readonly loginTimeoutMs: number
  /** A connection on which nothing is run. */
  readonly idleTimeoutMs: number
  /** One command waits no longer for its client to begin; everything else is timed by its pace. */
  readonly requestTimeoutMs: number
  /** How long `close` waits for running commands. */
  readonly drainMs: number
}

/** Connections that have not logged in yet; beyond it, one of whoever has most of them goes. */
export const mostLogins = 100
/** Keys that are tried on one connection, good ones aside: OpenSSH's own limit. */
export const mostTries = 6
/** Whatever is asked before the login, `none` and asking whether a key would do included. */
export const mostAuthRequests = 20
/** Commands at one time on one connection. A client that shares one among many opens another when it is told that there is no more room. */
export const mostCommands = 4
/** For a client to hang up, when the server has. */
export const lingerMs = 10_000
/** A client grants so large packets at least (RFC 4253 §6.1 asks for 32768): each costs work. */
export const leastPacketBytes = 1024
/** What may wait unread on one channel: what the library allows the client to send, twice; beyond it the client has not kept to that. */
export const mostUnreadBytes = 4.5 * 2 ** 20
/** What may wait to be sent on one connection beside the answers, which wait by themselves: then nothing more is read from it. */
export const mostUnsentBytes = 4 * 2 ** 20

/**
 * No SHA-1, no CBC, no DSA, no encrypt-and-MAC. AES in GCM and CTR alone: the processor does it, while ChaCha20 would be done in JavaScript (docs/decisions).
 */
export const algorithms: Algorithms = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group14-sha256',
  ],
  serverHostKey: ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'rsa-sha2-512', 'rsa-sha2-256'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes256-ctr', 'aes192-ctr', 'aes128-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'],
  // packs are compressed; and what is unpacked before it is looked at is another way in
  compress: ['none'],
}
