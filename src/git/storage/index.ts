// What is stored, in bytes and by way (docs/design/storage.md).
export { countJob, type CountJob, type PackSums } from './count-job.ts'
export { gitTotals, type GitTotals, type NetworkStorage, networkStorage, storageCounter } from './network-storage.ts'
