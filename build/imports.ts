/**
 * Has what is one file load nothing of itself on demand: that costs an object for each `import()`, which names all that somebody
 * imports of a module, so that what nobody asks for there cannot be left out either.
 */

/** A destructured `import()`, or one that is awaited in parentheses, as esbuild writes them. */
const ON_DEMAND = /\{([^{}]*)\}=await import\("([^"]+)"\)|\(await import\("([^"]+)"\)\)/g;

/** What is used of a plugin of rollup. */
export interface Plugin {
  name: string;
  transform(code: string): string;
}

/**
 * Makes each `import()` a plain import for rollup.
 *
 * @param isElsewhere Whether a path, as it is imported, leads to what is no part of the file.
 */
export function importAtOnce(isElsewhere: (path: string) => boolean): Plugin {
  return {
    name: "import at once",
    transform(code) {
      const imports: string[] = [];
      const edited = code.replace(ON_DEMAND, (whole, names = "", from, inParentheses) => {
        const path = from ?? inParentheses;
        if (isElsewhere(path)) return whole;
        const module = `onDemand${imports.length}`;
        imports.push(`import*as ${module} from"${path}";`);
        return ` ${inParentheses ? module : pick(module, names)}`;
      });
      return imports.join("") + edited;
    },
  };
}

/** Names of a module by themselves, as `a=module.a`: rollup looks through these, and through no pattern. */
function pick(module: string, names: string): string {
  return names.split(",").map((each) => {
    const [name = "", own = name] = each.split(":");
    return `${own}=${module}.${name}`;
  }).join();
}
