// receive-pack: the half of the protocol that takes pushes. The main thread speaks with client, bucket and database; a worker has the pack.
export { advertisePush, formatOtherRefs, pushCapabilities } from './advertise.ts'
export { type IntakeProgress, PackIntake, type PackIntakeParts, type PackQuestions, type StagedPack } from './pack-intake.ts'
export { receiveJob, type ReceiveJob, type ReceiveMessage } from './receive-job.ts'
export { type HookCertificate, type HookCommand, type HookProcess, type HookPush, noHooks, type PushHooks } from './push-hooks.ts'
export { type LocalCommand, type LocalOutcome, type LocalPush, pushLocally } from './local-push.ts'
export { pushFsckOf } from './fsck-settings.ts'
export { makeNonce, type NonceIssuer, type NonceVerdict } from './push-nonce.ts'
export { type Push, type PushTarget, receivePack, type ReceivePackParts } from './receive-pack.ts'
