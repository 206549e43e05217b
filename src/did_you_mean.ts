/** A hint that names the nearest of the known words, if one is near. */
export function didYouMean(
  text: string,
  known: readonly string[],
  prefix = "",
): string | undefined {
  const distances = known.map((name) => ({ name, distance: editDistance(text, name) }));
  distances.sort((a, b) => a.distance - b.distance);
  const [nearest] = distances;
  if (!nearest || nearest.distance > Math.max(1, nearest.name.length / 3)) return undefined;
  return `did you mean ${prefix}${nearest.name}?`;
}

/** Letters to add, drop, change, or swap with the next one, to get from one word to the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  let before: number[] = [];
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const changed = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1);
      const isSwapped = i > 0 && j > 0 && from[i] === to[j - 1] && from[i - 1] === to[j];
      const swapped = isSwapped ? (before[j - 1] ?? 0) + 1 : Infinity;
      next.push(Math.min(changed, swapped, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[to.length] ?? 0;
}
