// dumb-http: a repository as files, for clients that know nothing of the smart protocol. Routes where the socket is, objects in a worker.
export { DumbFace } from './dumb-routes.ts'
