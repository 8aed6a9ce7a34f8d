// What the Ceph cluster itself says of a bucket and of its pools, by its own tools; CEPH_CONF says which cluster.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'

const run = promisify(execFile)

/** `radosgw-admin bucket stats`. */
export interface BucketSpace {
  readonly keys: number
  /** Of the values. */
  readonly sizeBytes: number
  /** As radosgw rounds them up, each to 4 KiB. */
  readonly actualBytes: number
}

/** Of the OSDs' devices; one copy of everything. */
export interface ClusterSpace {
  /** `ceph df`, pool of the buckets' values: what BlueStore allocated for them. */
  readonly dataBytes: number
  /** `ceph osd df`: RocksDB's tables of keys (bucket indexes), and of everything else that BlueStore knows of each value. */
  readonly omapBytes: number
  readonly metaBytes: number
}

export async function bucketSpace(bucket: string): Promise<BucketSpace> {
  const { stdout } = await run('radosgw-admin', ['bucket', 'stats', `--bucket=${bucket}`])
  const main = JSON.parse(stdout).usage?.['rgw.main'] ?? {}
  return { keys: main.num_objects ?? 0, sizeBytes: main.size ?? 0, actualBytes: main.size_actual ?? 0 }
}

interface Pool {
  readonly name: string
  readonly stats: { readonly bytes_used: number }
}

interface Osd {
  readonly kb_used_omap: number
  readonly kb_used_meta: number
}

/** After what was deleted has left radosgw's own queue, and the OSDs have told the monitor: takes half a minute. */
export async function clusterSpace(): Promise<ClusterSpace> {
  await run('radosgw-admin', ['gc', 'process', '--include-all'])
  await sleep(30_000)
  const { pools } = JSON.parse((await run('ceph', ['df', 'detail', '-f', 'json'])).stdout) as { pools: Pool[] }
  const { nodes } = JSON.parse((await run('ceph', ['osd', 'df', '-f', 'json'])).stdout) as { nodes: Osd[] }
  return {
    dataBytes: pools.find(({ name }) => name === 'default.rgw.buckets.data')?.stats.bytes_used ?? 0,
    omapBytes: nodes.reduce((sum, osd) => sum + osd.kb_used_omap * 1024, 0),
    metaBytes: nodes.reduce((sum, osd) => sum + osd.kb_used_meta * 1024, 0),
  }
}
