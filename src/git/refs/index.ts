// refs: a repository's names. Read as snapshots, moved in one transaction.
export { RefAnswers } from './ref-answers.ts'
export { isDetached, type Ref, type RefSnapshot, RefStore } from './ref-snapshot.ts'
export {
  addRefRule,
  changeRefRule,
  findProtection,
  readRefRules,
  removeRefRule,
  type WantedAllowed,
  type WantedRule,
} from './ref-rule-rows.ts'
export { type Allowed, mustGoForward, type RefAct, refActs, type RefMover, type RefRule } from './ref-rule.ts'
export { moveRefs, type NewCertificate, type NewPack, type RefChange, type RefOutcomes } from './ref-transaction.ts'
export { everything, headRef, isHidden, namespacePrefix, type RefScope, RefViews, type VisibleRefs, visibleRefs } from './visible-refs.ts'
