// Golden vectors: what each engine makes of the golden bytes (golden.ts), a line for each set of parameters. A vector that has landed is never changed:
// an engine whose streams change gets a new version, and keeps the old one.
import type { Golden } from './engine.ts'

function goldens(lines: string): Golden[] {
  return lines
    .trim()
    .split('\n')
    .map((line) => {
      const [params = '', digest = ''] = line.trim().split(' ')
      return { params: params.split('.').map(Number), digest }
    })
}

export const goFlateGoldens = goldens(`
  0 bb67c660609577ce
  2 8542b1b2c204b71a
  3 724f7318c5463993
  4 92252bf95ebacb7e
  5 b78fd50c900706b9
  6 3b3fc178c444c86f
  7 0cb42bfe74b787bb
  8 3a3f25cdee2b2a30
  9 0591c34c27ff6466
  10 dbbd6c5a3ba3aa75
  11 aa7a4c2ba246fc0e
`)

export const nodeZlibGoldens = goldens(`
  1.8 2f8b1833abaca6ec
  2.8 3ea2f50ff75962e9
  3.8 7038c38c82d45924
  4.8 83ed566cbd78227f
  5.8 b3dc065994f84a69
  6.8 47856a511ba6c85e
  7.8 49b36ceeae61f359
  8.8 8f61ceca6169af21
  9.8 9b66cb8dc3e983bf
  1.9 e737603062e43885
  2.9 c7312b2329cd2009
  3.9 a35449d1f4c5a00b
  4.9 62591cb301430561
  5.9 8203283c7761b18e
  6.9 9fe29410fbff677a
  7.9 bffa158ed58b8798
  8.9 42852439c9ca6d02
  9.9 f89d6204743646bd
`)
