// Rows about listing refs: 10,000 of them, in a repository of their own.
import { post, writeLsRefs } from '../raw-client.ts'
import type { Contender } from '../contenders.ts'
import type { Bench, Row } from './row.ts'

const count = 10_000

export async function refRows({ git, folder, repository, contenders }: Bench): Promise<Row[]> {
  const target = { wall: 0.7, cpu: 0.5 }
  const bare = folder.join(`refs-${repository.name}.git`)
  const urls = new Map<Contender, string>()
  const prepare = async (): Promise<void> => {
    if (urls.size > 0) return
    const tips = (await git.read(['rev-list', '-n', '500', 'HEAD'], { cwd: repository.path })).split('\n')
    await git.run(['init', '-q', '--bare', bare])
    await git.run(['fetch', '-q', '--no-tags', repository.path, 'HEAD:refs/heads/main'], { cwd: bare, timeoutMs: 600_000 })
    const lines = Array.from({ length: count }, (_, n) => `create refs/heads/topic/${n % 100}/change-${n} ${tips[n % tips.length]}`)
    await git.run(['update-ref', '--stdin'], { cwd: bare, input: `${lines.join('\n')}\n` })
    await git.run(['symbolic-ref', 'HEAD', 'refs/heads/main'], { cwd: bare })
    await git.run(['pack-refs', '--all'], { cwd: bare })
    for (const contender of contenders) urls.set(contender, await contender.fill(`refs-${repository.name}`, bare))
  }
  const file = writeLsRefs(folder, `${repository.name}-ls-refs`)
  return [
    {
      name: 'ls-refs of 10,000 refs, git',
      target,
      runs: (runs) => runs * 4,
      prepare,
      act: (contender) => git.run([...contender.config, 'ls-remote', urls.get(contender) ?? '']),
    },
    {
      name: 'ls-refs of 10,000 refs, curl',
      target,
      runs: (runs) => runs * 4,
      prepare,
      act: (contender) => post(contender, urls.get(contender) ?? '', file),
    },
  ]
}
