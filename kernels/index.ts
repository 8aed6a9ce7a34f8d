// kernels: the hot loops, as WebAssembly. Each has a plain-TypeScript twin (twin/) that says in few words what it computes; deflate has zlib, which must read it.
export * from './kernel.ts'
