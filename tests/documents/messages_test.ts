import { assertEquals, assertGreater } from "@std/assert";
import { NO_HANDSHAKE, NO_TLS, TLS_REASONS } from "../../src/registry/http/tls_reasons.ts";
import { toPath } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";

const ROOT = new URL("../../", import.meta.url);
const skip = "Deno" in globalThis ? undefined : "what is written is read once, on Deno";

test("docs/troubleshooting.md has messages that src/ prints", async () => {
  const sources = await readSources(toPath(new URL("src", ROOT)));
  const told = await toldMessages();
  assertGreater(told.length, 80);
  const unknown = told.filter((message) =>
    partsOf(message).some((part) => !sources.includes(part))
  );
  assertEquals(unknown, []);
}, { skip });

test("docs/troubleshooting.md has every reason why TLS does not come about", async () => {
  const told = await toldMessages();
  const states = [...TLS_REASONS, NO_TLS, NO_HANDSHAKE].map(([, state]) => state);
  assertEquals(states.filter((state) => !told.includes(state)), []);
}, { skip });

/** The messages in the headings. */
async function toldMessages(): Promise<string[]> {
  const text = await Deno.readTextFile(new URL("docs/troubleshooting.md", ROOT));
  const headings = [...text.matchAll(/^### (.*)$/gm)].map(([, heading = ""]) => heading);
  return headings.flatMap((heading) =>
    [...heading.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? "")
  );
}

/** What a message has of its own, without what differs from one time to the next. */
function partsOf(message: string): string[] {
  return message.split("...").map((part) => part.trim()).filter((part) => part !== "");
}

/** All code; a text that goes on in the next line is joined. */
async function readSources(folder: string): Promise<string> {
  const texts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) texts.push(await readSources(`${folder}/${name}`));
    else if (name.endsWith(".ts")) texts.push(await Deno.readTextFile(`${folder}/${name}`));
  }
  return texts.join("\n").replace(/[`"] \+\s*[`"]/g, "");
}
