/// <reference lib="dom" />

type Value = string | number | boolean | undefined | ((event: Event) => void);
/** What stands in an element; what is undefined or false is left out. */
export type Child = Node | string | undefined | false;

/**
 * Makes an element. Text from an archive or a registry comes in as text and never as HTML.
 *
 * @param tag Its name.
 * @param attributes Attributes; `on...` with a function listens.
 * @param children What stands in it.
 */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, Value> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  fill(made, ...children);
  return made;
}

/** Puts these in the place of what stands in an element. */
export function fill(parent: Element, ...children: readonly Child[]): void {
  const kept = children.filter((child) => child !== undefined && child !== false);
  parent.replaceChildren(...kept);
}

/** A button that only words or a picture tell apart from others of its kind; the label is for those who see neither. */
export function button(
  text: string,
  onclick: () => void,
  { kind = "", label }: { kind?: "primary" | "danger" | "quiet" | ""; label?: string } = {},
): HTMLButtonElement {
  return element("button", {
    type: "button",
    class: kind,
    "aria-label": label,
    onclick: () => onclick(),
  }, text);
}

/** Says something to those who hear the page. */
export function say(text: string): void {
  const said = document.getElementById("said");
  if (said) said.textContent = text;
}

/** How long a button says what it has done. */
const DONE_MILLISECONDS = 1600;

export function copyButton(text: string, what: string): HTMLButtonElement {
  const copy = button("Copy", async () => {
    copy.textContent = await copyText(text) ? "Copied" : "Select it";
    say(`${what}: ${copy.textContent}`);
    setTimeout(() => void (copy.textContent = "Copy"), DONE_MILLISECONDS);
  }, { kind: "quiet", label: `Copy ${what}` });
  return copy;
}

export function copyLine(text: string, what: string): HTMLElement {
  return element("div", { class: "copy" }, element("code", {}, text), copyButton(text, what));
}

async function copyText(text: string): Promise<boolean> {
  try {
    // Only pages that came by https, or from this machine, have a clipboard.
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    // What follows works without the right to use it.
  }
  const field = element("textarea", { class: "unseen", "aria-hidden": "true" }, text);
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  return isCopied;
}
