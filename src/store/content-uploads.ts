// What other rooms see of uploads: bytes that come in one or several requests, to any node, and become content at the end.
// An upload belongs to a scope, a room's word for what it is for (`oci/17`): in another scope it is not there. docs/design/content-store.md, Uploads.
import type { ByteSource } from '../base/index.ts'
import type { Queries, Tx } from '../db/index.ts'
import type { ContentInfo, ContentReference } from './content-store.ts'

/** What the bytes are to be named by. Content always has its SHA-256; an upload may be checked against its SHA-512 instead. */
export type UploadAlgorithm = 'sha256' | 'sha512'

/** What an upload is expected to be. */
export interface ExpectedDigest {
  readonly algorithm: UploadAlgorithm
  /** 32 or 64 bytes. */
  readonly digest: Uint8Array
}

export interface BeginOptions {
  /** 1 to 256 characters. */
  readonly scope: string
  readonly algorithm?: UploadAlgorithm
  /** Left out: as many as come. */
  readonly most?: number
}

/** An upload as it stands: every byte below `sizeBytes` is durable. */
export interface UploadState {
  readonly id: string
  readonly sizeBytes: number
  /** As `begin` was told. */
  readonly algorithm: UploadAlgorithm
  readonly begunAt: Date
}

/** Bytes that go on where an upload ends. */
export interface UploadPart {
  readonly source: ByteSource
  /** Where the caller believes that the upload ends; left out: wherever it does. */
  readonly offset?: number
  /** How many bytes will come, where that is known. */
  readonly sizeBytes?: number
}

export interface FinishOptions {
  readonly expected: ExpectedDigest
  /** Bytes that still come before the upload is whole. Of a request that breaks off here nothing is kept: the upload ends where it did. */
  readonly last?: UploadPart
  /** Of the whole content; more is InputError 'too-large'. */
  readonly limitBytes: number
  /** Holds the content from the same transaction on. Without it, a lease holds it for a day. */
  readonly reference?: ContentReference
  /**
   * The caller's rows, in the transaction that makes the upload content and ends it: all or nothing. Comes after the content's row is there, locked and held; may
   * come again when the transaction is tried again. What it throws undoes all, and the upload stays.
   */
  readonly visible?: (tx: Tx, content: ContentInfo) => Promise<void>
  readonly signal?: AbortSignal
}

export interface AppendOptions extends UploadPart {
  /** Of the whole upload; more is InputError 'too-large', and nothing of this part is kept. */
  readonly limitBytes: number
  readonly signal?: AbortSignal
}

export interface ReceiveOptions extends Omit<FinishOptions, 'last' | 'expected'> {
  /** Left out: whatever comes. */
  readonly expected?: ExpectedDigest
  readonly sizeBytes?: number
  /**
   * In place of `visible` for content that is stored at once with others', where one statement is enough for the caller's rows: it comes after the content is there, outside
   * of any transaction, and holds it itself. What it throws leaves the content to its lease.
   */
  readonly alone?: (queries: Queries, content: ContentInfo) => Promise<void>
}

/** What a finished upload has become. */
export interface ReceivedContent extends ContentInfo {
  /** False when the same content was there before: nothing was stored twice. Not to be told to clients that may not read it. */
  readonly isNew: boolean
}

/**
 * Errors of all: UnavailableError where bucket or database don't answer; 'aborted' by the signal; what a source throws, as it is.
 * `null` and `false` mean: there is no such upload in this scope (never was, finished, cancelled, or untouched for too long).
 */
export interface ContentUploads {
  /** Begins an empty upload. InputError 'too-many-uploads' where the scope has `most` already, or about that many where several begin at once. */
  begin(options: BeginOptions): Promise<{ readonly id: string }>

  /** Tells the truth at any time, also after a request that broke off. Any text may be asked for as an id. */
  find(id: string, scope: string): Promise<UploadState | null>

  /**
   * Adds bytes at the end; they are durable when it resolves. Where the source breaks off or the signal fires, what has come is kept and the error thrown: `find` says
   * how much it is, and the caller goes on from there. InputError, and nothing of this part is kept: 'upload-offset' (it ends elsewhere: ask `find`),
   * 'upload-busy' (another request is adding to it or finishing it), 'too-large', 'size-mismatch', 'too-many-parts'.
   */
  append(id: string, scope: string, options: AppendOptions): Promise<UploadState | null>

  /**
   * Makes the upload content: in one transaction the content (or the same that is there), the hold, the caller's rows, and the upload's end.
   * InputError 'digest-mismatch': the bytes are others; nothing is stored and the upload is gone, with all that it had. Those of `append`, and all other errors:
   * the upload stays as it was — but after 'commit-unknown' of the database, where it may be content.
   */
  finish(id: string, scope: string, options: FinishOptions): Promise<ReceivedContent | null>

  /** Ends it; what it had goes. False: there was none. A request that is adding to it at the moment fails. */
  cancel(id: string, scope: string): Promise<boolean>

  /** The same in one go, for what comes in one request: no upload, content or nothing. InputError 'digest-mismatch', 'size-mismatch', 'too-large'. */
  receive(source: ByteSource, options: ReceiveOptions): Promise<ReceivedContent>
}
