// pushed: what a push brought, commit by commit, for whoever is told of it.
export { type Pushed, type PushedCommit, type PushedQuestion } from './pushed-task.ts'
export { findPushed, type PushedMove } from './find-pushed.ts'
