// The library wants it before its own import.
import "reflect-metadata";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** A certificate for a server and its key, both PEM. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate says. */
export interface CertificateOptions {
  /**
   * Names that it is for; those that are IPv4 addresses are listed as such.
   * @default {["localhost", "127.0.0.1"]}
   */
  names?: readonly string[];
  /**
   * Whether it ran out yesterday.
   * @default {false}
   */
  expired?: boolean;
  /**
   * Whether it is one of an authority, as those are that `openssl req -x509` makes unless told otherwise.
   * @default {false}
   */
  authority?: boolean;
}

/** A certificate authority that lives as long as the test. */
export interface CertificateAuthority {
  /** Its own certificate, PEM: what `--ca` is given. */
  readonly cert: string;
  issue(options?: CertificateOptions): Promise<ServerCertificate>;
}

const DAY = 24 * 60 * 60 * 1000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** Makes a certificate authority with keys of its own. */
export async function createAuthority(
  name = "tarpush test authority",
): Promise<CertificateAuthority> {
  const keys = await makeKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ALGORITHM,
    ...validity(false),
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return {
    cert: certificate.toString("pem"),
    async issue(options = {}) {
      const own = await makeKeys();
      const issued = await X509CertificateGenerator.create({
        subject: "CN=tarpush test server",
        issuer: certificate.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        ...validity(options.expired),
        extensions: serverExtensions(options),
      });
      return { cert: issued.toString("pem"), key: await toPem(own.privateKey) };
    },
  };
}

/** Makes a certificate that nobody vouches for. */
export async function createSelfSigned(
  options: CertificateOptions = {},
): Promise<ServerCertificate> {
  const keys = await makeKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=tarpush test server",
    keys,
    signingAlgorithm: ALGORITHM,
    ...validity(options.expired),
    extensions: serverExtensions(options),
  });
  return { cert: certificate.toString("pem"), key: await toPem(keys.privateKey) };
}

async function makeKeys(): Promise<CryptoKeyPair> {
  return await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

function validity(expired = false): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return {
    notBefore: new Date(now - 10 * DAY),
    notAfter: new Date(expired ? now - DAY : now + 10 * DAY),
  };
}

function serverExtensions(
  { names = ["localhost", "127.0.0.1"], authority = false }: CertificateOptions,
): Extension[] {
  return [
    new BasicConstraintsExtension(authority, undefined, true),
    ...(authority ? [] : [new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth])]),
    new SubjectAlternativeNameExtension(
      names.map((value) => ({
        type: /^[\d.]+$/.test(value) ? "ip" as const : "dns" as const,
        value,
      })),
    ),
  ];
}

async function toPem(key: CryptoKey): Promise<string> {
  return PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}
