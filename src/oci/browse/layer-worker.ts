// The thread that layers are unpacked and their files compared in.
import type { MessagePort } from 'node:worker_threads'
import { answerJob, serveJobs } from '../../base/index.ts'
import { answers, type QuestionKind } from './file-questions.ts'
import { listLayer, readFile, relistLayer } from './layer-jobs.ts'

serveJobs({
  list: listLayer,
  relist: relistLayer,
  file: readFile,
  ask: async ({ kind, question }: { readonly kind: QuestionKind; readonly question: never }, port: MessagePort) =>
    answerJob(port, async (main) => main.send(answers[kind](question))),
})
