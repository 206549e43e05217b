/// <reference lib="dom" />
import { element } from "./dom.ts";

/** A field for the name of a registry. */
export function registryField(value = ""): HTMLInputElement {
  return element("input", {
    type: "text",
    value,
    placeholder: "registry.lan:5000",
    spellcheck: "false",
    autocapitalize: "none",
    autocomplete: "url",
  });
}
