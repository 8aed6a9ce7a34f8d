// Where the S3 server of the tests is: said by the environment (devenv/ceph-up writes it to a file). Absent settings fail the tests
// that need them, which are only run by `make test-ceph`; a skipped test would look like a passed one.
import { S3Client } from '@aws-sdk/client-s3'
import type { S3Settings } from '../../src/bucket/s3-client.ts'

/** The settings, with the bucket's name replaced where one is given. */
export function s3Settings(bucket?: string): S3Settings {
  return {
    endpoint: value('STEMMA_TEST_S3_ENDPOINT'),
    region: process.env['STEMMA_TEST_S3_REGION'] ?? 'us-east-1',
    bucket: bucket ?? value('STEMMA_TEST_S3_BUCKET'),
    accessKeyId: value('STEMMA_TEST_S3_ACCESS_KEY_ID'),
    secretAccessKey: value('STEMMA_TEST_S3_SECRET_ACCESS_KEY'),
    pathStyle: true,
  }
}

/** A client of its own, to look behind the bucket's back. */
export function s3Client(): S3Client {
  const credentials = {
    accessKeyId: value('STEMMA_TEST_S3_ACCESS_KEY_ID'),
    secretAccessKey: value('STEMMA_TEST_S3_SECRET_ACCESS_KEY'),
  }
  return new S3Client({ endpoint: value('STEMMA_TEST_S3_ENDPOINT'), region: 'us-east-1', credentials, forcePathStyle: true })
}

function value(name: string): string {
  const found = process.env[name]
  if (found === undefined || found === '') throw new Error(`${name} is not set: run devenv/ceph-up, then source the file that it names`)
  return found
}
