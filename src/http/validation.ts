// TypeBox schemas as Fastify's validators, and the type provider that gives handlers the schemas' types.
// Bodies are taken as they are; parameters and query strings, which are text, are converted first.
import type { FastifyTypeProvider } from 'fastify'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { notFound } from './gate.ts'
import { Refusal } from './problem.ts'

export interface TypeBoxProvider extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown
}

/** One thing that is wrong with a request, in the words of GitHub's validation errors. */
export interface FieldFault {
  readonly field: string
  readonly code: 'missing_field' | 'invalid' | 'missing' | 'already_exists' | 'unprocessable' | 'custom'
  readonly message: string
}

/** 422 with what is wrong in each field as details. */
export function validationFailed(faults: readonly FieldFault[], message = 'Validation Failed'): Refusal {
  return new Refusal(422, 'invalid', message, { details: faults })
}

type Checked = { value: unknown } | { error: Error }

/** Fastify's validator compiler. */
export function compileValidator({ schema, httpPart }: { schema: unknown; httpPart?: string }): (data: unknown) => Checked {
  const validator = Compile(schema as TSchema)
  const numbers = numbersIn(schema)
  const isText = httpPart === 'querystring' || httpPart === 'params'
  return (data) => {
    const odd = isText ? oddNumber(numbers, data) : undefined
    if (odd !== undefined) {
      const fault: FieldFault = { field: odd, code: 'invalid', message: `${odd} must be a whole number` }
      return { error: httpPart === 'params' ? notFound() : validationFailed([fault]) }
    }
    // No body at all is taken for an empty one, so that what is told is which fields are missing.
    const value: unknown = isText ? validator.Convert(data ?? {}) : (data ?? {})
    if (validator.Check(value)) return { value }
    return { error: validationFailed(faultsOf(validator.Errors(value))) }
  }
}

function numbersIn(schema: unknown): string[] {
  const { properties = {} } = schema as { properties?: Readonly<Record<string, { readonly type?: unknown }>> }
  return Object.keys(properties).filter((name) => properties[name]?.type === 'integer' || properties[name]?.type === 'number')
}

/** A parameter that isn't written as the number that it must be, or is larger than any of ours: conversion would take `true` for 1. */
function oddNumber(names: readonly string[], data: unknown): string | undefined {
  const given = (data ?? {}) as Readonly<Record<string, unknown>>
  return names.find((name) => given[name] !== undefined && !/^-?\d{1,15}$/.test(String(given[name])))
}

interface SchemaError {
  readonly keyword: string
  readonly schemaPath: string
  readonly instancePath: string
  readonly message: string
  readonly params: object
}

// A union reports each of its branches: only the first fault of each field is told.
function faultsOf(errors: readonly SchemaError[]): FieldFault[] {
  const faults = new Map<string, FieldFault>()
  for (const error of errors) {
    const at = error.instancePath.slice(1).replaceAll('/', '.')
    if (error.keyword === 'additionalProperties' && 'additionalProperties' in error.params) {
      for (const name of error.params.additionalProperties as string[]) {
        const field = at === '' ? name : `${at}.${name}`
        faults.set(field, { field, code: 'invalid', message: `${field} is not known here` })
      }
      continue
    }
    if (error.schemaPath.endsWith('/additionalProperties')) continue // the schema `false` of such a property: told once is enough
    if (error.keyword === 'required' && 'requiredProperties' in error.params) {
      for (const name of error.params.requiredProperties as string[]) {
        const field = at === '' ? name : `${at}.${name}`
        faults.set(field, { field, code: 'missing_field', message: `${field} is required` })
      }
      continue
    }
    const known = faults.get(at)
    const summary =
      error.keyword === 'anyOf' ? unionSummary(errors.filter(({ instancePath }) => instancePath === error.instancePath)) : summaryOf(error)
    if (!known || error.keyword === 'anyOf') faults.set(at, { field: at, code: 'invalid', message: `${at || 'the body'} ${summary}` })
  }
  return [...faults.values()]
}

/** Of a union: its words, where one of its branches has words, and null, where that is another. */
function unionSummary(branches: readonly SchemaError[]): string {
  const words = branches.find(({ keyword }) => keyword === 'enum')
  if (words === undefined) return 'is none of the values allowed here'
  return `${summaryOf(words)}${branches.some(({ message }) => message === 'must be null') ? ', or null' : ''}`
}

function summaryOf(error: SchemaError): string {
  if (error.keyword !== 'enum' || !('allowedValues' in error.params)) return error.message
  return `must be one of ${(error.params.allowedValues as unknown[]).join(', ')}`
}
