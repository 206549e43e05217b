import type { RegistryError } from "../../errors.ts";
import type { Call } from "./call.ts";

/** What may be the reason where a large body of a blob does not get through. */
export const CUT_HINT =
  "something before the registry may cut what is large or takes long: try a smaller --chunk-size";
/** What may be the reason where a small one breaks: distribution 3.1.2 does so on a storage that lacks what it needs. */
const SMALL_CUT_HINT =
  "what broke is small: the log of the registry, or of what is before it, may say why";
/** Larger bodies may not be let through for their size: ModSecurity takes 128 KiB unless told otherwise. */
const SMALL_BYTES = 64 * 1024;

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

/** What may be the reason where the connection of a request broke; undefined where it carried nothing of a blob. */
export function brokenHint(call: Call, url: URL): string | undefined {
  if (!isBlobBody(call, url)) return undefined;
  return isSmall(call) ? SMALL_CUT_HINT : CUT_HINT;
}

/** Whether a request carries so much of a blob that its size may be why it is not let through. */
export function isLargeBody(call: Call, url: URL): boolean {
  return isBlobBody(call, url) && !isSmall(call);
}

function isSmall({ body, size }: Call): boolean {
  if (body === undefined) return true;
  if (body instanceof Blob) return body.size <= SMALL_BYTES;
  return (typeof body === "function" ? size ?? Infinity : body.length) <= SMALL_BYTES;
}

/** Whether a request carries a blob, or a part of it. */
function isBlobBody({ method }: Call, { pathname }: URL): boolean {
  return (method === "PUT" || method === "PATCH") && !pathname.includes("/manifests/");
}
