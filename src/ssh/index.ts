// ssh: git's services and git-lfs-authenticate over SSH, by users' and deploy keys, on the same code as HTTP. docs/design/ssh.md.
export { forgetHostKeys, hostKeys } from './host-keys.ts'
export type { SshLimits } from './limits.ts'
export { SshListener, type SshOptions } from './ssh-listener.ts'
export { sshUrl } from './ssh-url.ts'
