// Git's objects as the API's documents.
import type { CommitValue, FileDiff, Person, TagValue, Verification } from '../git/index.ts'
import { timeJson } from './documents.ts'
import type { GitUrls } from './repository-call.ts'
import type { CommitJson, FileDiffJson, GitCommitJson, GitTagJson, PersonJson, RefJson } from './git-schemas.ts'

/** As GitHub: 1970 where a date can't be read. */
export function personJson(person: Person | null): PersonJson {
  const latest = 253_402_300_799 // the end of 9999: what ISO 8601 has four digits for
  const seconds = Math.max(0, Math.min(person?.seconds ?? 0, latest))
  return { name: person?.name ?? '', email: person?.email ?? '', date: timeJson(new Date(seconds * 1000)) }
}

function verificationJson(
  { payload, signature }: Pick<CommitValue, 'payload' | 'signature'>,
  { reason, verified, verifiedAt }: Verification,
) {
  return { verified, reason, signature, payload, verified_at: verifiedAt && timeJson(verifiedAt) }
}

export function nodeId(kind: string, oid: string): string {
  return Buffer.from(`${kind}:${oid}`).toString('base64')
}

function parentsJson(urls: GitUrls, commit: CommitValue, url: (oid: string) => string) {
  return commit.parents.map((oid) => ({ sha: oid, url: url(oid), html_url: urls.page('commit', oid) }))
}

export function gitCommitJson(urls: GitUrls, commit: CommitValue, verification: Verification): GitCommitJson {
  return {
    sha: commit.oid,
    node_id: nodeId('Commit', commit.oid),
    url: urls.git('commits', commit.oid),
    html_url: urls.page('commit', commit.oid),
    author: personJson(commit.author),
    committer: personJson(commit.committer),
    message: commit.message,
    tree: { sha: commit.tree, url: urls.git('trees', commit.tree) },
    parents: parentsJson(urls, commit, (oid) => urls.git('commits', oid)),
    verification: verificationJson(commit, verification),
  }
}

export function commitJson(urls: GitUrls, commit: CommitValue, verification: Verification): CommitJson {
  return {
    sha: commit.oid,
    node_id: nodeId('Commit', commit.oid),
    commit: {
      author: commit.author && personJson(commit.author),
      committer: commit.committer && personJson(commit.committer),
      message: commit.message,
      tree: { sha: commit.tree, url: urls.git('trees', commit.tree) },
      url: urls.git('commits', commit.oid),
      comment_count: 0,
      verification: verificationJson(commit, verification),
    },
    url: urls.commit(commit.oid),
    html_url: urls.page('commit', commit.oid),
    comments_url: `${urls.commit(commit.oid)}/comments`,
    author: null,
    committer: null,
    parents: parentsJson(urls, commit, (oid) => urls.commit(oid)),
  }
}

/** @param ref what the file is shown at: the commit, or its parent where it went */
export function fileDiffJson(urls: GitUrls, file: FileDiff, ref: string): FileDiffJson {
  const { additions, deletions, oid, oldPath, patch, path, status } = file
  return {
    sha: oid,
    filename: path,
    status,
    additions,
    deletions,
    changes: additions + deletions,
    blob_url: urls.page('blob', ref, path),
    raw_url: urls.raw(path, ref),
    contents_url: urls.contents(path, ref),
    ...(patch === null ? {} : { patch }),
    ...(oldPath === null ? {} : { previous_filename: oldPath }),
  }
}

export function gitTagJson(urls: GitUrls, tag: TagValue, verification: Verification): GitTagJson {
  return {
    node_id: nodeId('Tag', tag.oid),
    tag: tag.name,
    sha: tag.oid,
    url: urls.git('tags', tag.oid),
    message: tag.message,
    tagger: personJson(tag.tagger),
    object: { sha: tag.object, type: tag.kind, url: urls.git(`${tag.kind}s`, tag.object) },
    verification: verificationJson(tag, verification),
  }
}

export function refJson(urls: GitUrls, name: string, oid: string, kind: RefJson['object']['type']): RefJson {
  return {
    ref: name,
    node_id: nodeId('Ref', name),
    url: urls.ref(name),
    object: { sha: oid, type: kind, url: urls.git(`${kind}s`, oid) },
  }
}

/** `100644`, `040000`, as git prints modes. */
export function modeText(mode: number): string {
  return mode.toString(8).padStart(6, '0')
}
