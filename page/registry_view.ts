/// <reference lib="dom" />
import { RegistryClient } from "../src/registry/client.ts";
import type { ImageInfo } from "../src/registry/image.ts";
import { formatPlatform } from "../src/media_types.ts";
import { button, element, fill, say } from "./dom.ts";
import { imageView } from "./image_view.ts";
import { longList } from "./long_list.ts";
import { removeView } from "./remove_view.ts";
import { registryField } from "./registry_field.ts";
import { rememberRegistry, type Settings } from "./settings.ts";
import { count, dateText, failureBox, sizeText } from "./words.ts";

/** Tags whose images are looked at when they are listed. */
const MAX_DESCRIBED = 40;

/** What is shown: everything, a repository, or an image. */
interface Route {
  repository: string;
  reference: string;
}

/** Looks at a registry: its repositories, their tags, an image. */
export class RegistryView {
  readonly root: HTMLElement;
  readonly #settings: Settings;
  readonly #title = element("h2", { id: "registry-title", tabindex: -1 });
  readonly #path = element("nav", { "aria-label": "Place in the registry" });
  readonly #body = element("div", { class: "parts" });
  readonly #field = registryField();
  #registry: string;
  #drawing = new AbortController();

  constructor(registry: string, settings: Settings) {
    this.#settings = settings;
    this.#registry = registryOf(registry);
    this.root = element(
      "section",
      { class: "card", "aria-labelledby": "registry-title" },
      this.#title,
      settings.registry ? undefined : this.#form(),
      this.#path,
      this.#body,
    );
    addEventListener("hashchange", () => this.#draw(true));
    this.#draw(false);
  }

  /** Looks at the registry of a place to push to, again if it was that one. */
  show(place: string): void {
    const registry = registryOf(place);
    const isOther = this.#registry !== registry;
    this.#field.value = this.#registry = registry;
    if (isOther && location.hash.length > 1) location.hash = "";
    else this.#draw(false);
  }

  /** Draws what the address names; the title gets the focus where that was asked for. */
  async #draw(isAsked: boolean): Promise<void> {
    this.#drawing.abort();
    this.#drawing = new AbortController();
    const { signal } = this.#drawing;
    const route = routeOf(location.hash);
    this.#title.textContent = titleOf(route);
    fill(this.#path, ...crumbs(route));
    if (isAsked) this.#title.focus();
    if (!this.#registry) {
      return fill(
        this.#body,
        element("p", { class: "hint" }, "Name a registry to see what it holds."),
      );
    }
    fill(this.#body, element("p", { class: "busy" }, "Asking ..."));
    try {
      const client = new RegistryClient(this.#registry, { signal });
      fill(this.#body, await this.#content(client, route, signal));
      if (isAsked) say(titleOf(route));
    } catch (error) {
      if (signal.aborted) return;
      fill(this.#body, failureBox(error), button("Ask again", () => this.#draw(false)));
    }
  }

  #form(): HTMLElement {
    const field = this.#field;
    field.value = this.#registry;
    return element(
      "form",
      {
        class: "inline",
        onsubmit: (event) => {
          event.preventDefault();
          rememberRegistry(field.value.trim());
          this.show(field.value.trim());
        },
      },
      element("label", { class: "field" }, "Registry to look at", field),
      element("button", { type: "submit" }, "Look"),
    );
  }

  #content(client: RegistryClient, route: Route, signal: AbortSignal): Promise<HTMLElement> {
    if (route.reference) return this.#image(client, route);
    return route.repository
      ? this.#tags(client, route.repository, signal)
      : this.#repositories(client);
  }

  async #repositories(client: RegistryClient): Promise<HTMLElement> {
    const names = await Array.fromAsync(client.repositories());
    if (names.length === 0) {
      return element("p", { class: "hint" }, "It holds nothing yet: push something.");
    }
    return longList(names.sort(byNumbers), {
      what: ["repository", "repositories"],
      nameOf: (name) => name,
      show: (name) => element("a", { href: hashOf({ repository: name, reference: "" }) }, name),
    });
  }

  async #tags(client: RegistryClient, name: string, signal: AbortSignal): Promise<HTMLElement> {
    const repository = client.repository(name);
    const tags = (await Array.fromAsync(repository.tags())).sort(byNumbers);
    if (tags.length === 0) return element("p", { class: "hint" }, "No tags are left here.");
    const notes = new Map(tags.map((tag) => [tag, element("span", { class: "note" })]));
    const list = longList(tags, {
      what: ["tag", "tags"],
      nameOf: (tag) => tag,
      show: (tag) =>
        element(
          "a",
          { href: hashOf({ repository: name, reference: tag }) },
          element("span", {}, tag),
          notes.get(tag),
        ),
    });
    const describe = async () => {
      for (const tag of tags.slice(0, MAX_DESCRIBED)) {
        if (signal.aborted) return;
        const text = await repository.image(tag).then(noteOf, () => "");
        const note = notes.get(tag);
        if (note) note.textContent = text;
      }
    };
    describe();
    return list;
  }

  async #image(client: RegistryClient, { repository, reference }: Route): Promise<HTMLElement> {
    const target = client.repository(repository);
    const info = await target.image(reference);
    const host = client.origin.replace(/^https?:\/\//, "");
    const isTag = !reference.includes(":");
    const view = imageView(info, {
      name: `${host}/${repository}${isTag ? ":" : "@"}${reference}`,
      plainHttp: client.origin.startsWith("http:"),
    });
    const { registry } = this.#settings;
    if (registry && (registry.readOnly || !registry.allowDelete)) return view;
    const remove = removeView(target.manifests, { reference, isTag, digest: info.digest }, () => {
      location.hash = hashOf({ repository, reference: "" });
    });
    view.append(remove);
    return view;
  }
}

/** `v1.9` before `v1.10`. */
const { compare: byNumbers } = new Intl.Collator("en", { numeric: true });

function noteOf({ kind, size, created, platform, entries }: ImageInfo): string {
  const images = entries.filter(({ isAttestation }) => !isAttestation);
  const what = kind === "index"
    ? count(images.length, "platform")
    : platform
    ? formatPlatform(platform)
    : kind;
  const date = created ?? images.find(({ image }) => image?.created)?.image?.created;
  return [what, sizeText(size), date && dateText(date)].filter(Boolean).join(" · ");
}

/** The registry, where what was typed is a prefix below it. */
function registryOf(place: string): string {
  return /^(?:https?:\/\/)?[^/]*/i.exec(place)?.[0] ?? "";
}

function routeOf(hash: string): Route {
  // The names of repositories and tags need no encoding, and an address that was typed may have a wrong one.
  const path = hash.replace(/^#\/?/, "").replaceAll("%3A", ":").replaceAll("%40", "@");
  const [, repository = "", reference = ""] = /^([^:@]*)(?:[:@](.*))?$/.exec(path) ?? [];
  return { repository, reference };
}

function hashOf({ repository, reference }: Route): string {
  if (!reference) return `#/${repository}`;
  return `#/${repository}${reference.includes(":") ? "@" : ":"}${reference}`;
}

function titleOf({ repository, reference }: Route): string {
  if (!repository) return "In the registry";
  return reference ? `${repository}${reference.includes(":") ? "@" : ":"}${reference}` : repository;
}

function crumbs({ repository, reference }: Route): HTMLElement[] {
  if (!repository) return [];
  const all = element("a", { href: "#/" }, "All repositories");
  if (!reference) return [all];
  return [all, element("a", { href: hashOf({ repository, reference: "" }) }, repository)];
}
