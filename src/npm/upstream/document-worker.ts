// The threads in which upstreams' documents are taken apart and put together.
import { serveJobs } from '../../base/index.ts'
import { listDists, renderDocument, takeDocument } from './document-jobs.ts'

serveJobs({ take: takeDocument, render: renderDocument, dists: listDists })
