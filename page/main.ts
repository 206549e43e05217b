/// <reference lib="dom" />
import { element, fill } from "./dom.ts";
import { pushView } from "./push_view.ts";
import { RegistryView } from "./registry_view.ts";
import { ownRegistry, readSettings, rememberedRegistry, type Settings } from "./settings.ts";

function start(): void {
  const settings = readSettings();
  const main = document.getElementById("main");
  const where = document.getElementById("where");
  if (!main || !where) return;
  where.textContent = titleOf(settings);
  const first = settings.registry ? ownRegistry() : rememberedRegistry();
  const shown = settings.gateway ? undefined : new RegistryView(first, settings);
  const pushed = settings.registry?.readOnly
    ? element("p", { class: "box" }, "This registry is read-only: it takes no pushes.")
    : pushView(settings, first, (registry) => shown?.show(registry));
  fill(main, pushed, shown?.root);
  main.classList.toggle("wide", shown !== undefined);
}

function titleOf({ registry, gateway }: Settings): string {
  if (registry) return location.host;
  return gateway ? `gateway at ${location.host}` : "";
}

start();
