// What bench/api.ts asks for, chosen from the repository itself, and how git is asked the same.
import { runProcess } from '../tests/support/git.ts'

export interface Target {
  /** Behind /repos/{owner}/{repo}/. */
  readonly url: string
  /** Commands that come to the same, one after the other. */
  readonly git: readonly (readonly string[])[]
}

export interface Case {
  readonly name: string
  readonly targets: readonly Target[]
}

export async function targetsOf(cwd: string): Promise<Case[]> {
  const git = async (...args: string[]): Promise<string[]> =>
    (await runProcess('git', args, { cwd, env: { PATH: process.env.PATH ?? '' } })).stdout.split('\n').filter((line) => line !== '')
  const encode = (path: string) => path.split('/').map(encodeURIComponent).join('/')
  const head = (await git('rev-parse', 'HEAD'))[0] as string
  const listed = (await git('ls-tree', '-r', '-l', head)).map((line) => /^\d+ blob \w+ +(\d+)\t(.*)$/.exec(line))
  const files = listed
    .flatMap((match) => (match ? [{ path: match[2] as string, sizeBytes: Number(match[1]) }] : []))
    .filter(({ path }) => !path.startsWith('"'))
  const folders = (await git('ls-tree', '-r', '-d', head)).flatMap((line) => /^040000 tree \w+\t([^"].*)$/.exec(line)?.[1] ?? [])
  const sources = files.filter(({ path, sizeBytes }) => /\.(?:c|h|sh|py|js|ts|go|rs)$/.test(path) && sizeBytes < 100_000)
  const commits = await git('rev-list', '--max-count=4000', head)
  const tags = (await git('tag', '--sort=-version:refname', '--merged', head)).filter((tag) => !tag.includes('-')).slice(0, 40)
  const entries = async (folder: string) =>
    (await git('ls-tree', '--name-only', head, folder === '' ? '.' : `${folder}/`)).filter((path) => !path.startsWith('"'))
  const shownFolders = ['', ...some(folders, 60)]
  return [
    {
      name: 'contents of a file',
      targets: some(
        files.filter(({ sizeBytes }) => sizeBytes < 1 << 20),
        200,
      ).map(({ path }) => ({
        url: `contents/${encode(path)}`,
        git: [['cat-file', 'blob', `${head}:${path}`]],
      })),
    },
    {
      name: 'folder with last commits',
      targets: await Promise.all(
        shownFolders.map(async (folder) => ({
          url: `tree-commits/${encode(folder)}`,
          git: (await entries(folder)).map((entry) => ['log', '-1', '--format=%H %an %s', head, '--', entry]),
        })),
      ),
    },
    {
      name: 'history of a path',
      targets: [...some(sources, 100), ...some(folders, 30).map((path) => ({ path }))].map(({ path }) => ({
        url: `commits?path=${encodeURIComponent(path)}`,
        git: [['log', '-30', '--format=%H%n%an%n%B', head, '--', path]],
      })),
    },
    {
      name: 'commit with its diff',
      targets: some(commits, 200).map((commit) => ({
        url: `commits/${commit}`,
        git: [['show', '-M', '--first-parent', '-m', '--numstat', '-p', commit]],
      })),
    },
    {
      name: 'compare: ten commits',
      targets: some(commits.slice(0, -10), 100).map((_, i, all) => {
        const at = Math.floor((i * (commits.length - 10)) / all.length)
        return comparison(commits[at + 10] as string, commits[at] as string)
      }),
    },
    {
      name: 'compare: releases',
      targets: tags.slice(1, 21).map((tag, i) => comparison(tag, tags[i] as string)),
    },
    {
      name: 'blame',
      targets: some(sources, 60).map(({ path }) => ({ url: `blame/${encode(path)}`, git: [['blame', '--porcelain', head, '--', path]] })),
    },
  ]
}

function comparison(from: string, to: string): Target {
  return {
    url: `compare/${encodeURIComponent(from)}...${encodeURIComponent(to)}`,
    git: [
      ['rev-list', '--left-right', '--count', `${from}...${to}`],
      ['log', '-250', '--format=%H%n%an%n%B', `${from}..${to}`],
      ['diff', '-M', '--numstat', '-p', `${from}...${to}`],
    ],
  }
}

/** So many of them, evenly spread. */
function some<T>(all: readonly T[], most: number): T[] {
  if (all.length <= most) return [...all]
  return Array.from({ length: most }, (_, i) => all[Math.floor((i * all.length) / most)] as T)
}
