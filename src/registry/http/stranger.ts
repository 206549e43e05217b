import type { RegistryError } from "../../errors.ts";
import type { Call } from "./call.ts";

/** What may be the reason where the body of a blob does not get through. */
export const CUT_HINT =
  "something before the registry may cut what is large or takes long: try a smaller --chunk-size";

/** Errors for answers that were pages for people. */
const pages = new WeakSet<RegistryError>();

/** Notes that an answer was a page for people. */
export function notePage(error: RegistryError): void {
  pages.add(error);
}

/** Whether an answer was a page for people: not the registry gave it, but something before it, or in its place. */
export function wasPage(error: RegistryError): boolean {
  return pages.has(error);
}

/** Errors for answers of nginx to more requests than it lets pass. */
const crowds = new WeakSet<RegistryError>();

/** Notes that a proxy lets so many requests pass and no more. */
export function noteCrowd(error: RegistryError): void {
  crowds.add(error);
}

/** Whether a proxy let so many requests pass and no more, or had no registry behind it for the moment. */
export function wasCrowd(error: RegistryError): boolean {
  return crowds.has(error);
}

/** Whether a request carries a blob, or a part of it. */
export function isBlobBody({ method }: Call, { pathname }: URL): boolean {
  return (method === "PUT" || method === "PATCH") && !pathname.includes("/manifests/");
}
