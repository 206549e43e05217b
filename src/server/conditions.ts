/**
 * Whether a client says that it has what it asks for (RFC 9110, 13.1.2).
 *
 * @param request A GET or HEAD for what is there.
 */
export function isNotModified({ headers }: Request, etag: string): boolean {
  const known = headers.get("If-None-Match")?.split(",") ?? [];
  return known.map((tag) => tag.trim().replace(/^W\//, "")).some((tag) =>
    tag === "*" || tag === etag
  );
}
