// /repos/{owner}/{repo}/tarball and /zipball (GitHub REST "Repository contents"): a redirect to where this host serves the archive.
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { onRepository, repositoryOf } from '../access/index.ts'
import { notFound, type Routes } from '../http/index.ts'
import { originOf } from './documents.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson } from './schemas.ts'

const tags = ['Repository']
const endings = { tarball: 'tar.gz', zipball: 'zip' } as const

export function registerArchives(routes: Routes, options: ApiOptions): void {
  const config = { access: onRepository('repository:read'), encodedSlash: true }
  const schema = {
    tags,
    summary: 'Leads to an archive of a branch, a tag or a commit',
    response: { 302: Type.Null(), 401: ErrorJson, 404: ErrorJson },
  }
  for (const kind of ['tarball', 'zipball'] as const) {
    const redirect = async (request: FastifyRequest, reply: FastifyReply, wanted: string) => {
      const repository = repositoryOf(request)
      if (!(await options.findArchive(request, repository, wanted))) throw notFound()
      const name = wanted.split('/').map(encodeURIComponent).join('/')
      const origin = originOf(request, options.publicUrl)
      return reply
        .code(302)
        .header('location', `${origin}/${repository.ownerLogin}/${repository.name}/archive/${name}.${endings[kind]}`)
        .send()
    }
    routes.get(`/repos/:owner/:repo/${kind}`, { config, schema }, async (request, reply) =>
      redirect(request, reply, repositoryOf(request).head),
    )
    routes.get(`/repos/:owner/:repo/${kind}/*`, { config, schema }, async (request, reply) =>
      redirect(request, reply, (request.params as { '*': string })['*']),
    )
  }
}
