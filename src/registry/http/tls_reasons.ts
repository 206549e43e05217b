/** What to do about a client certificate. */
export const CLIENT_CERTIFICATE_HINT =
  "tarpush has none to show: give the module's option fetch one that does, by Deno.createHttpClient({ cert, key }) or Bun's tls: { cert, key } (docs/library.md)";

/** What is said of a certificate that nobody known here has signed. */
export const UNTRUSTED = "its TLS certificate is not trusted";

/**
 * Why TLS did not come about, as Deno (rustls) and Bun (BoringSSL) tell it: pattern, what to say, what to try. What was
 * received as an alert is what the other side thinks of this one.
 */
export const TLS_REASONS: readonly [RegExp, string, string][] = [
  [
    /alert: (?:CertificateRequired|BadCertificate|CertificateUnknown|UnknownCA)\b|ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|UNKNOWN_CA)\b/,
    "it wants a client certificate",
    CLIENT_CERTIFICATE_HINT,
  ],
  // TLS 1.2 has no word of its own for it.
  [
    /alert: (?:HandshakeFailure|AccessDenied)\b|ALERT_(?:HANDSHAKE_FAILURE|ACCESS_DENIED)\b/,
    "it refused the TLS handshake, most likely for want of a client certificate",
    CLIENT_CERTIFICATE_HINT,
  ],
  [
    /alert: ProtocolVersion\b|ALERT_PROTOCOL_VERSION\b|UNSUPPORTED_PROTOCOL|PeerIncompatible/,
    "it speaks no version of TLS that is safe to use",
    "have TLS 1.2 or 1.3 switched on there",
  ],
  [
    /alert: UnrecognisedName\b|ALERT_UNRECOGNIZED_NAME\b/,
    "it serves TLS for other host names",
    "use the name that it is set up for",
  ],
  [
    /UnsupportedCertVersion/,
    "its TLS certificate is of X.509 version 1, which Deno does not take",
    "have it made anew as version 3 (openssl x509 -req -extfile FILE, with subjectAltName in FILE), or accept it with --insecure",
  ],
  [
    /certificate expired|CERT_HAS_EXPIRED/i,
    "its TLS certificate has expired",
    "have it renewed, or accept it with --insecure",
  ],
  [
    /not valid yet|NOT_YET_VALID/i,
    "its TLS certificate is not valid yet",
    "check the clock of this machine, or accept it with --insecure",
  ],
  [
    /not valid for (?:any )?name|NotValidForName|ALTNAME_INVALID|HOSTNAME_MISMATCH/i,
    "its TLS certificate is for another host name",
    "use a name that the certificate has (its subjectAltName), or accept it with --insecure",
  ],
  [
    /CaUsedAsEndEntity/,
    "its TLS certificate is one of an authority, which Deno takes from no server",
    "give it a certificate that is no authority (CA:FALSE), or accept it with --insecure",
  ],
  [
    /extended key usage|InvalidPurpose|INVALID_PURPOSE/,
    "its TLS certificate is not one for servers",
    "have it made with extendedKeyUsage serverAuth, or accept it with --insecure",
  ],
  [
    /UnsupportedSignatureAlgorithm|BadSignature|MD_TOO_WEAK|KEY_TOO_SMALL/,
    "its TLS certificate is signed in a way that is not safe",
    "have it made anew with SHA-256 and a key of 2048 bits or more, or accept it with --insecure",
  ],
  [
    /UnknownIssuer|self.?signed|UNABLE_TO_|unable to (?:get|verify)|invalid peer certificate|CERT_|CERTIFICATE/i,
    UNTRUSTED,
    "name the authority that signed it with --ca FILE, or accept any certificate with --insecure",
  ],
];

/** What speaks no TLS; such a server may speak plain http. */
export const NO_TLS: readonly [RegExp, string, string] = [
  /InvalidContentType|corrupt message|WRONG_VERSION_NUMBER|HTTP_REQUEST/,
  "it speaks no TLS",
  "check the port",
];

/** The rest, and all that Bun's own `fetch` tells. */
export const NO_HANDSHAKE: readonly [RegExp, string, string] = [
  /SSL|TLS|handshake|fatal alert/i,
  "TLS handshake failed",
  "it may speak no TLS on this port, or want a client certificate, for which docs/library.md has a way",
];

/** What web servers answer that take the connection without a client certificate: nginx, and Go's. */
const CERTIFICATE_WANTED = /No required SSL certificate|SSL certificate error|client certificate/i;

/** Whether an error page says that a client certificate is wanted. */
export function wantsClientCertificate(text: string): boolean {
  return CERTIFICATE_WANTED.test(text);
}
