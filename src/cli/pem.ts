import { quote, UsageError } from "./options.ts";

/**
 * The text of a file with certificates.
 *
 * @throws {UsageError} Where there is none in it, in the form of RFC 7468.
 */
export function requireCertificate(path: string, text: string, use: string): string {
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new UsageError(`Cannot use ${quote(path)} as ${use}: it has no PEM certificate`);
}

/**
 * The text of a file with a private key.
 *
 * @throws {UsageError} Where there is none in it, in a form of RFC 7468 or as OpenSSL writes it, or it has a password.
 */
export function requireKey(path: string, text: string): string {
  const refuse = (problem: string, hint?: string) =>
    new UsageError(`Cannot use ${quote(path)} as a key: ${problem}`, hint);
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4, *ENCRYPTED/m.test(text)) {
    throw refuse("it has a password", `take it off: openssl pkey -in ${path} -out key.pem`);
  }
  if (/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(text)) return text;
  throw refuse("it has no PEM private key");
}
