import { hasStatus, type RegistryError, restate } from "../../errors.ts";

/** Whether a registry found another digest than the request names. */
export function isDigestRefusal(error: unknown): error is RegistryError {
  return hasStatus(error, 400) &&
    error.errors.some(({ code, message }) => code === "DIGEST_INVALID" || /digest/i.test(message));
}

/** Says what it means that a registry found another digest than that of what was sent, which was hashed here; else `error` itself. */
export function explainChanged(error: unknown): unknown {
  if (!isDigestRefusal(error) || error.hint !== undefined) return error;
  return restate(error, error.message, { hint: CHANGED_HINT });
}

const CHANGED_HINT =
  "what was sent has that digest: a proxy before the registry may change it, or drop it as one for pulls alone may do";
