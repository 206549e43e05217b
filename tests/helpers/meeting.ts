/** Makes a place where the first so many wait for each other; who comes later does not wait. */
export function meeting(count: number): () => Promise<void> {
  const all = Promise.withResolvers<void>();
  let missing = count;
  return () => {
    if (--missing <= 0) all.resolve();
    return all.promise;
  };
}
