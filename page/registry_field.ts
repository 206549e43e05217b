/// <reference lib="dom" />
import { element } from "./dom.ts";

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
