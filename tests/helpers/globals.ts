/**
 * Runs a job while an object, such as the global one, has another value in a place; then all is as before.
 *
 * @param object The object.
 * @param name What of it.
 * @param value What it is meanwhile; undefined for what a runtime may lack.
 * @param job The job.
 */
export async function withValue<T>(
  object: object,
  name: PropertyKey,
  value: unknown,
  job: () => T | Promise<T>,
): Promise<T> {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { value, configurable: true, writable: true });
  try {
    return await job();
  } finally {
    if (before) Object.defineProperty(object, name, before);
    else Reflect.deleteProperty(object, name);
  }
}
