// Where a front end in this process may take part in a push, as programs do in git (githooks(5)). The server itself runs no one's code: it
// leaves all of this empty. What is pushed is not visible while a hook runs, not even to the hook; only commands and options are.
import type { ObjectId } from '../format/object-id.ts'
import type { NewPack } from '../refs/index.ts'
import type { NonceVerdict } from './push-nonce.ts'

export interface HookCommand {
  /** Without the namespace. */
  readonly ref: string
  /** All zeros: there is none. */
  readonly oldId: ObjectId
  readonly newId: ObjectId
}

/** The push that a hook is asked about. */
export interface HookPush {
  /** Null: client and server don't use push options. */
  readonly options: readonly string[] | null
  readonly isAtomic: boolean
  readonly certificate: HookCertificate | null
  /** What was pushed, whole and stored, but visible to nobody yet; null: nothing, or it isn't taken in yet. */
  pack: NewPack | null
  /** Commits of that pack whose parents are nowhere: where the repository will be cut off (git's file `shallow`), too. */
  cutOff: readonly ObjectId[]
  /** For the pusher, who sees it as `remote: …`; with line ends. */
  say(text: string | Uint8Array): void
}

/** What GIT_PUSH_CERT and its like tell a hook. */
export interface HookCertificate {
  readonly bytes: Uint8Array
  readonly nonce: NonceVerdict
}

/** A program that runs: the proc-receive hook, which is spoken with in pkt-lines. */
export interface HookProcess {
  /** What it prints. */
  readonly output: AsyncIterable<Uint8Array>
  write(bytes: Uint8Array): void
  /** Nothing more will be written. */
  end(): void
  /** Its exit code. */
  readonly exit: Promise<number>
}

/** Each is awaited; what one throws is a failure of the push for reasons of our own. */
export interface PushHooks {
  /** Once, before any ref moves, with all commands; false declines those that nothing else has refused. */
  readonly preReceive?: (push: HookPush, commands: readonly HookCommand[]) => Promise<boolean>
  /** Starts the proc-receive hook for the commands that receive.procReceiveRefs names; null: there is none. */
  readonly procReceive?: (push: HookPush) => HookProcess | null
  /** Before one ref moves; false declines that. One after the other. */
  readonly update?: (push: HookPush, command: HookCommand) => Promise<boolean>
  /**
   * Right before refs move, with all that will: a store beside ours moves its own first. What it refuses, by ref and with the reason, is
   * refused here, too.
   */
  readonly beforeMove?: (push: HookPush, commands: readonly HookCommand[]) => Promise<ReadonlyMap<string, string>>
  /** After refs moved, with what was done. */
  readonly postReceive?: (push: HookPush, commands: readonly HookCommand[]) => Promise<void>
  /** The same, with the names alone. */
  readonly postUpdate?: (push: HookPush, refs: readonly string[]) => Promise<void>
}

export const noHooks: PushHooks = {}
