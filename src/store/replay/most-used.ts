// What most images and packages are packed with: whose golden vectors are checked before anybody waits for them.
import type { ReplayRecipe } from './recipe.ts'

export const mostUsed: readonly ReplayRecipe[] = [
  [2, 8], // go-flate, level 6: docker, buildkit, kaniko, ko
  [4, 4, 7], // pgzip, level 5: podman, buildah, skopeo; new ones, and
  [4, 1, 7], // those of Debian 12
  [1, 9, 8], // Node's zlib, level 9: npm
  [1, 6, 8],
  [6, 6, 8], // the original zlib, level 6: npm's earlier packages
  [5, 6, 0], // the difference: gzip and others, level 6
  [5, 9, 0],
].map(([engine = 0, ...params]) => ({ engine, version: 1, params: Uint8Array.from(params) }))
