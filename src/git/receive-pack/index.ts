// receive-pack: the half of the protocol that takes pushes. The main thread speaks with client, bucket and database; a worker has the pack.
export { type IntakeProgress, PackIntake, type PackIntakeParts, type StagedPack } from './pack-intake.ts'
export { receiveJob, type ReceiveJob, type ReceiveMessage } from './receive-job.ts'
export { type Push, type PushTarget, receivePack, type ReceivePackParts } from './receive-pack.ts'
