/**
 * What `await using` calls at the end of its block. Safari has no such symbol yet; compilers that turn `using` into something
 * that it understands look for this one there.
 */
export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ??
  Symbol.for("Symbol.asyncDispose");
