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

export const pgzipGoldens = goldens(`
  1.0 8db5cfa39fed141b
  1.2 f90ed44c573e2163
  1.3 1fc9b41a4b5e21af
  4.3 f5cfc9d0572269ad
  1.4 2b2d12867f21f8f0
  4.4 a97b8288987a35d9
  1.5 8ca53d595a0eaa56
  4.5 8c92cf100aaadef7
  1.6 064884780a792509
  3.6 e956946187ac395a
  4.6 fd67f357273774af
  1.7 561f646968fdd805
  4.7 8f8b61921b2dacf1
  1.8 069ffaaae365f89f
  4.8 020251ca835d055f
  1.9 5de91cd0b3a38c4a
  2.9 3fdc78ebc8aaaa79
  4.9 97baa6697d35110c
  1.10 4c49767b1414b24c
  2.10 1cd4a8eed11cfbf9
  4.10 9c755c4b910579ac
  1.11 2999a062eb9bca0f
  2.11 7825d5d4e8e98933
  4.11 5f969b816d9291ea
`)

export const klauspostGoldens = goldens(`
  1.0 0c5e568d34aefc90
  1.2 65f3656d6bb81631
  1.3 cf5ae84c3d5a52d5
  4.3 8a9489cf8656463e
  1.4 9ae97e39bc4e24b9
  4.4 459c758e994d8482
  1.5 4d61bbf2b432be57
  4.5 a97db9dba4def627
  1.6 5c8b782a30b15058
  3.6 1f2bb34485178bd5
  4.6 372980b8bb336be3
  1.7 96658826311b9355
  4.7 7da28229d0f344d9
  1.8 06a6c568bcb82fb4
  4.8 2272b4ca339edd3c
  1.9 3f031cca6c95c7c1
  2.9 3f7262ed6f3f037f
  4.9 3f7262ed6f3f037f
  1.10 2ac0166dbda22d0d
  2.10 1028b0b619a4deb2
  4.10 1028b0b619a4deb2
  1.11 bd5dd577f53645fe
  2.11 c25b554d00fbfa4a
  4.11 44845ef58339a214
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
