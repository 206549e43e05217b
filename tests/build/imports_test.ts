import { assertEquals } from "@std/assert";
import { importAtOnce } from "../../build/imports.ts";
import { test } from "../helpers/test.ts";

test("what comes in the same file is imported at once, the rest on demand", () => {
  const { transform } = importAtOnce((path) => path.endsWith("/elsewhere.ts"));
  assertEquals(
    transform('let{a:b,c}=await import("./x.js"),d=1;throw new(await import("./y.js")).E(b)'),
    'import*as onDemand0 from"./x.js";import*as onDemand1 from"./y.js";' +
      "let b=onDemand0.a,c=onDemand0.c,d=1;throw new onDemand1.E(b)",
  );
  for (const code of ['let{a}=await import("./elsewhere.ts")', 'import("./x.js").then(f)']) {
    assertEquals(transform(code), code);
  }
});
