// deno-std carries the code of the @std packages without their types: what the project uses is declared here.

declare module "@std/assert" {
  export function assert(expr: unknown, msg?: string): asserts expr;
  export function assertEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertStrictEquals<T>(
    actual: unknown,
    expected: T,
    msg?: string,
  ): asserts actual is T;
  export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T>;
  export function assertGreater<T>(actual: T, expected: T, msg?: string): void;
  export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void;
  export function assertLess<T>(actual: T, expected: T, msg?: string): void;
  export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void;
  export function assertStringIncludes(actual: string, expected: string, msg?: string): void;
  export function assertMatch(actual: string, expected: RegExp, msg?: string): void;
  export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void;
  export function assertArrayIncludes<T>(
    actual: ArrayLike<T>,
    expected: ArrayLike<T>,
    msg?: string,
  ): void;
  export function assertObjectMatch(actual: object, expected: object, msg?: string): void;
  export function assertInstanceOf<T>(
    actual: unknown,
    // deno-lint-ignore no-explicit-any
    expectedType: abstract new (...args: any[]) => T,
    msg?: string,
  ): asserts actual is T;
  export function assertThrows<E extends Error = Error>(
    fn: () => unknown,
    // deno-lint-ignore no-explicit-any
    errorClass?: abstract new (...args: any[]) => E,
    msgIncludes?: string,
    msg?: string,
  ): E;
  export function assertRejects<E extends Error = Error>(
    fn: () => PromiseLike<unknown>,
    // deno-lint-ignore no-explicit-any
    errorClass?: abstract new (...args: any[]) => E,
    msgIncludes?: string,
    msg?: string,
  ): Promise<E>;
  export function fail(msg?: string): never;
  export function unreachable(msg?: string): never;
}

declare module "@std/fmt/bytes" {
  export interface FormatOptions {
    bits?: boolean;
    binary?: boolean;
    signed?: boolean;
    minimumFractionDigits?: number;
    maximumFractionDigits?: number;
  }
  export function format(num: number, options?: FormatOptions): string;
}

declare module "@std/fmt/duration" {
  export function format(
    ms: number,
    options?: { style?: "narrow" | "full" | "digital"; ignoreZero?: boolean },
  ): string;
}

declare module "@std/streams/concat-readable-streams" {
  export function concatReadableStreams<T>(...streams: ReadableStream<T>[]): ReadableStream<T>;
}

declare module "@std/streams/limited-bytes-transform-stream" {
  export class LimitedBytesTransformStream extends TransformStream<Uint8Array, Uint8Array> {
    constructor(size: number, options?: { error?: boolean });
  }
}

declare module "@std/streams/text-line-stream" {
  export class TextLineStream extends TransformStream<string, string> {}
}

declare module "@std/streams/to-bytes" {
  export function toBytes(stream: ReadableStream<Uint8Array>): Promise<Uint8Array>;
}

declare module "@std/yaml/parse" {
  export function parse(content: string): unknown;
}
