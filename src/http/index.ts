// http: the listener, its limits, the gate before every handler, and errors as answers. Knows no protocol but HTTP.
export { actionsOf, assertDeclared, type Declaration, type Gate, notFound, type RouteAccess, type Verdict } from './gate.ts'
export { defaultHttpLimits, type HttpLimits } from './limits.ts'
export { type Listener, type ListenerOptions, makeListener, type RoomOptions, type Routes } from './listener.ts'
export { plainForm, type Problem, type ProblemAnswer, type ProblemForm, problemOf, Refusal, textForm } from './problem.ts'
export { type ByteRange, parseRange } from './range.ts'
export { requestBody, type RequestBodyOptions } from './request-body.ts'
export { methodsAt, type RouteFacts } from './route-table.ts'
export { type FieldFault, validationFailed } from './validation.ts'
