// remote: a Git client over Smart HTTP: reads refs, fetches, pushes.
export { type RemoteFetch, fetchPack } from './remote-fetch.ts'
export { type RemoteClient, RemoteHttp, type RemoteHttpOptions, type RemoteService } from './remote-http.ts'
export { pushPack, type RemoteCommand, type RemoteRefusal } from './remote-push.ts'
export { readRemote, type RemoteRef, type RemoteState } from './remote-refs.ts'
export { parsePlace, parseRemoteUrl, type Place, type RemoteUrl, withToken } from './remote-url.ts'
