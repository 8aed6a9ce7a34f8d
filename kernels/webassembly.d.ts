// The part of the WebAssembly JavaScript interface that is used here: TypeScript ships it only together with the browser's whole DOM.
declare namespace WebAssembly {
  type Imports = Record<string, Record<string, unknown>>

  class Module {
    constructor(bytes: Uint8Array)
  }
  class Instance {
    constructor(module: Module, imports?: Imports)
    readonly exports: Record<string, unknown>
  }
  class Memory {
    constructor(descriptor: { readonly initial: number; readonly maximum?: number; readonly shared?: boolean })
    readonly buffer: ArrayBuffer
    grow(pages: number): number
  }
  class Global<T extends 'i32' | 'i64' | 'f32' | 'f64' = 'i32'> {
    readonly kind: T
    value: T extends 'i64' ? bigint : number
  }
}
