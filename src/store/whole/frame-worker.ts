// The thread that what arrives is hashed and written in, so that the event loop only receives it.
import { serveJobs } from '../../base/index.ts'
import { frameJob } from './frame-job.ts'

serveJobs({ frames: (_: object, port) => frameJob(port) })
