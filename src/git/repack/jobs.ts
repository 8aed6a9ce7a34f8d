// The workers' half of a repack: each step's job.
export { checkJob, type CheckJob } from './check-job.ts'
export { planJob, type PlanJob, secondJob, type SecondJob } from './plan-job.ts'
export { searchJob, type SearchJob } from './search-job.ts'
export { writeJob, type WriteJob } from './write-job.ts'
