// Plain packages over HTTP: names, versions, files. Which path does what, and who may. docs/design/generic.md.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Action, onPackage } from '../access/index.ts'
import { SharedPlaces } from '../base/index.ts'
import type { Listener, ProblemForm, RoomOptions } from '../http/index.ts'
import { Downloads, SmallContents } from '../packages/index.ts'
import { dropFile, dropVersion, getFile, getIndex, putFile } from './files.ts'
import { isName } from './format/names.ts'
import type { GenericOptions, GenericRegistry } from './registry.ts'

type Handler = (registry: GenericRegistry, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

/** Sent out of memory. */
const small = { mostBytes: 64 << 10, keptBytes: 16 << 20 }

/** Every error of the room. */
const form: ProblemForm = ({ status, message, headers }) => ({
  type: 'application/json',
  body: JSON.stringify({ message }),
  headers: status === 401 && !('www-authenticate' in headers) ? { 'www-authenticate': 'Basic realm="Stemma", charset="UTF-8"' } : {},
})

const statusOf = { 'file-exists': 409, 'content-gone': 409, 'too-many-files': 422 }

/** What none can be called is nobody's package; whoever publishes is told so. */
const on = (action: Action) =>
  onPackage('generic', action, ({ params }) => {
    const { owner, package: name } = params as { readonly owner: string; readonly package: string }
    return { owner, name: isName('package', name) || action === 'package:write' ? name : '' }
  })

export function registerGeneric(listener: Listener, options: GenericOptions): void {
  const { db, store, log, limits } = options
  const downloads = new Downloads(db, log)
  const places = new SharedPlaces(limits.concurrentDownloads)
  const registry: GenericRegistry = { ...options, downloads, sending: { store, small: new SmallContents(store, small), places, log } }
  // bodies of any type: files are bytes
  const room: RoomOptions = { prefix: '/generic', form, challenge: true, body: { raw: /^/ }, statusOf, rate: 'git' }
  listener.room(room, (routes) => {
    routes.addHook('onClose', () => downloads.write())
    const [version, file] = ['/:owner/:package/:version', '/:owner/:package/:version/:file']
    const handled = (handler: Handler) => (request: FastifyRequest, reply: FastifyReply) => handler(registry, request, reply)
    routes.get(version, { config: { access: on('package:read') } }, handled(getIndex))
    routes.delete(version, { config: { access: on('package:delete') } }, handled(dropVersion))
    routes.get(file, { config: { access: on('package:read') }, exposeHeadRoute: false }, handled(getFile))
    routes.head(file, { config: { access: on('package:read') } }, handled(getFile))
    routes.put(file, { config: { access: on('package:write') } }, handled(putFile))
    routes.delete(file, { config: { access: on('package:delete') } }, handled(dropFile))
  })
}
