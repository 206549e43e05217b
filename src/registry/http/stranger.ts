import type { RegistryError } from "../../errors.ts";
import type { Call } from "./call.ts";

/** What may be the reason where the body of a blob does not get through. */
export const CUT_HINT =
  "something before the registry may cut what is large or takes long: try a smaller --chunk-size";

/** Who gave an answer in the place of the registry. */
interface Stranger {
  /** It was a page for people: something before the registry gave it, or in its place. */
  isPage: boolean;
  /** A proxy lets so many requests pass and no more, or had no registry behind it for the moment. */
  isCrowd: boolean;
  /** Something forbids all that it let through before, the registry's front page as well. */
  isShutOut: boolean;
  /** A firewall may have forbidden the body of a request for its size. */
  isLarge: boolean;
}

const strangers = new WeakMap<RegistryError, Stranger>();

/** Notes what the error for an answer does not say. */
export function noteStranger(error: RegistryError, stranger: Stranger): void {
  strangers.set(error, stranger);
}

/** Whether an answer was a page for people. */
export function wasPage(error: RegistryError): boolean {
  return strangers.get(error)?.isPage === true;
}

/** Whether a proxy let so many requests pass and no more. */
export function wasCrowd(error: RegistryError): boolean {
  return strangers.get(error)?.isCrowd === true || wasShutOut(error);
}

/** Whether nothing is let through any more. */
export function wasShutOut(error: RegistryError): boolean {
  return strangers.get(error)?.isShutOut === true;
}

/** Whether a firewall may have forbidden a body for its size. */
export function wasLarge(error: RegistryError): boolean {
  return strangers.get(error)?.isLarge === true;
}

/** Whether a request carries a blob, or a part of it. */
export function isBlobBody({ method }: Call, { pathname }: URL): boolean {
  return (method === "PUT" || method === "PATCH") && !pathname.includes("/manifests/");
}
