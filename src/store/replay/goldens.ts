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
  1.0 f9b0b61ee7b9dbcf
  1.2 60ad9b969f1d4a08
  1.3 df6acbb6f1bbe090
  4.3 7104bfff380b4839
  1.4 cb4646caf3fa83cb
  4.4 06edfe1eb8af2e1b
  1.5 dc76e85286912204
  4.5 c5d11532ce4c1467
  1.6 d0ccdc10df5f8483
  3.6 755c6ef8a05f99d7
  4.6 74d44a6eab3bf445
  1.7 ca221de392e1aaef
  4.7 f2b2ca668244fd24
  1.8 4d53af7ba10b778e
  4.8 710d25d83b4cf056
  1.9 ea181cb11b27daa9
  2.9 ad6a06f872087e2b
  4.9 176be20fb13236ed
  1.10 b94a5dcc6159b921
  2.10 c803bd54f7ff309d
  4.10 c4e82ad2158e2dae
  1.11 b87fcff2f978dd50
  2.11 de5df85489e60a8b
  4.11 b006be7d6cf7039d
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

export const zlibGoldens = goldens(`
  1.8 febc9ef0aff47741
  2.8 928baee76a3f5144
  3.8 239697b28489c97d
  4.8 de2f1f0ae989190b
  5.8 2269fd47424e51dd
  6.8 646c1388f8a79a6b
  7.8 f3caf6837eb419d9
  8.8 678e669d280504df
  9.8 a9c0287aa0889233
`)

export const differenceGoldens = goldens(`
  1.0 16db9896cc8423c0
  2.0 2342cabb46cf9df0
  3.0 6925f8e4277814c0
  4.0 ce973640255c8910
  5.0 88ef23884712a17f
  6.0 9c9182d173c3c830
  7.0 7faeda65d5105803
  8.0 b82bd4ee81e3f45e
  9.0 9117af4d136f2c65
  1.1 af5f88089ae8af61
  2.1 6ec40e13d9d4da37
  3.1 1e08b5f806b4a49f
  4.1 78a595673295799c
  5.1 015774f9969fa44d
  6.1 7a2d17cba8b7f5d3
  7.1 c5b411a1495fd6fd
  8.1 279f1fd6e789b90e
  9.1 9117af4d136f2c65
  1.2 42a4f16687e82136
  2.2 e9d867c0d95ad54b
  3.2 aae8600d22cc2135
  4.2 8bdf63a6ffbb9cf9
  5.2 460f1692bf080f95
  6.2 1dda9960a742fbad
  7.2 c99ac24f1b801289
  8.2 ee97d17155e9e82a
  9.2 9dd0a365ccdb6b9d
`)

/** Of all engines, in the order in which these are tried. */
export const allGoldens: readonly (readonly Golden[])[] = [
  goFlateGoldens,
  pgzipGoldens,
  klauspostGoldens,
  nodeZlibGoldens,
  zlibGoldens,
  differenceGoldens,
]
