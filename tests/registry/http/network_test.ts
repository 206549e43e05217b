import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { NetworkError } from "../../../src/errors.ts";
import { toNetworkError } from "../../../src/registry/http/network.ts";
import { test } from "../../helpers/test.ts";

const request = { method: "PUT", url: "http://registry.test:5000/v2/app/blobs/uploads/1" };

type Case = readonly [string, Error, RegExp, { retryable: boolean; hint?: RegExp }];

// As Deno 2.9 and Bun 1.4 throw them.
const CASES: readonly Case[] = [
  [
    "Deno, nobody listens",
    denoError(
      "client error (Connect): tcp connect error",
      "Connection refused (os error 111)",
    ),
    /connection refused, nothing listens there/,
    { retryable: true, hint: /running/ },
  ],
  [
    "Bun, nobody listens",
    bunError("Unable to connect. Is the computer able to access the url?", "ConnectionRefused"),
    /connection refused, nothing listens there/,
    { retryable: true, hint: /running/ },
  ],
  [
    "Deno, unknown name",
    denoError(
      "client error (Connect): dns error",
      "failed to lookup address information: Name or service not known",
    ),
    /host name not found/,
    { retryable: true, hint: /name of the registry/ },
  ],
  [
    "Bun, unknown name",
    bunError("getaddrinfo ENOTFOUND nowhere.invalid", "ENOTFOUND"),
    /host name not found/,
    { retryable: true, hint: /name of the registry/ },
  ],
  [
    "Deno, no permission",
    Object.assign(new Error('Requires net access to "registry.test:5000"'), { name: "NotCapable" }),
    /no permission to reach it/,
    { retryable: false, hint: /--allow-net/ },
  ],
  [
    "Deno, a port that fetch refuses",
    new TypeError("Requests to port 1 are blocked"),
    /fetch refuses this port/,
    { retryable: false, hint: /such as 5000 .*6000, 5060.*Bun/ },
  ],
  [
    "Deno, a certificate of its own",
    denoError("client error (Connect)", "invalid peer certificate: UnknownIssuer"),
    /certificate is not trusted/,
    { retryable: false, hint: /--ca/ },
  ],
  [
    "Bun, a certificate of its own",
    bunError("self signed certificate", "DEPTH_ZERO_SELF_SIGNED_CERT"),
    /certificate is not trusted/,
    { retryable: false, hint: /--ca/ },
  ],
  [
    "Deno, a certificate that has expired",
    denoError(
      "client error (Connect)",
      "invalid peer certificate: certificate expired: verification time 1795546776 (UNIX), but " +
        "certificate is not valid after 1795460376 (86400 seconds ago)",
    ),
    /certificate has expired$/,
    { retryable: false, hint: /--insecure/ },
  ],
  [
    "Bun, a certificate that has expired",
    bunError("certificate has expired", "CERT_HAS_EXPIRED"),
    /certificate has expired$/,
    { retryable: false, hint: /--insecure/ },
  ],
  [
    "Deno, a certificate of the future",
    denoError(
      "client error (Connect)",
      "invalid peer certificate: certificate not valid yet: verification time 1 (UNIX), but " +
        "certificate is not valid before 2 (1 seconds from now)",
    ),
    /certificate is not valid yet$/,
    { retryable: false, hint: /clock/ },
  ],
  [
    "Bun, a certificate of the future",
    bunError("certificate is not yet valid", "CERT_NOT_YET_VALID"),
    /certificate is not valid yet$/,
    { retryable: false, hint: /clock/ },
  ],
  [
    "Deno, a certificate for another name",
    denoError(
      "client error (Connect)",
      'invalid peer certificate: certificate not valid for name "registry.test"; certificate is ' +
        'only valid for DnsName("other.test")',
    ),
    /certificate is for another host name$/,
    { retryable: false, hint: /--insecure/ },
  ],
  [
    "Bun, a certificate for another name",
    bunError(
      'ERR_TLS_CERT_ALTNAME_INVALID fetching "https://registry.test/v2/"',
      "ERR_TLS_CERT_ALTNAME_INVALID",
    ),
    /certificate is for another host name$/,
    { retryable: false, hint: /--insecure/ },
  ],
  [
    "Deno, a certificate of an authority",
    denoError(
      "client error (Connect)",
      "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
    ),
    /one of an authority/,
    { retryable: false, hint: /CA:FALSE/ },
  ],
  [
    "Deno, plain http to a TLS port",
    denoError("client error (SendRequest)", "invalid HTTP version parsed"),
    /answered with something that is no HTTP$/,
    { retryable: false },
  ],
  ...[
    "invalid HTTP header parsed",
    "invalid HTTP status-code parsed",
    "invalid content-length parsed",
    "unexpected transfer-encoding parsed",
  ].map((reason): Case => [
    `Deno, an answer with an ${reason}`,
    denoError("client error (SendRequest)", reason),
    /answered with something that is no HTTP$/,
    { retryable: false },
  ]),
  [
    "Deno, https to a plain http port",
    denoError("client error (Connect)", "received corrupt message of type InvalidContentType"),
    /it speaks no TLS$/,
    { retryable: false, hint: /port/ },
  ],
  [
    "Bun, https to a plain http port",
    bunError("error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER", "EPROTO"),
    /it speaks no TLS$/,
    { retryable: false, hint: /port/ },
  ],
  [
    "Bun, a handshake of which its fetch does not tell more",
    bunError("The TLS handshake failed. Does the server speak TLS on this port?", "EPROTO"),
    /TLS handshake failed$/,
    { retryable: false, hint: /client certificate.*docs\/library\.md/ },
  ],
  [
    "Deno, a connection that ends in the handshake",
    denoError("client error (Connect)", "tls handshake eof"),
    /connection broken$/,
    { retryable: true },
  ],
  [
    "Deno, reset",
    denoError("client error (SendRequest)", "Connection reset by peer (os error 104)"),
    /connection broken/,
    { retryable: true },
  ],
  [
    "Bun, reset",
    bunError("The socket connection was closed unexpectedly.", "ECONNRESET"),
    /connection broken/,
    { retryable: true },
  ],
  ["no network", bunError("connect failed", "ENETUNREACH"), /network unreachable/, {
    retryable: true,
  }],
  ["slow network", bunError("connect failed", "ETIMEDOUT"), /connection timed out/, {
    retryable: true,
  }],
];

/** What the other side thinks of this one, and what Deno and Bun, each in its words, think of a certificate. */
const TLS: readonly [RegExp, hint: RegExp, words: string[]][] = [
  [/: it wants a client certificate$/, /Deno\.createHttpClient\(.*tls: .*docs\/library\.md/, [
    "received fatal alert: CertificateRequired",
    "error:1000045c:SSL routines:OPENSSL_internal:TLSV1_ALERT_CERTIFICATE_REQUIRED",
    "received fatal alert: BadCertificate",
    "error:10000412:SSL routines:OPENSSL_internal:SSLV3_ALERT_BAD_CERTIFICATE",
    "received fatal alert: UnknownCA",
    "error:10000418:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA",
  ]],
  [/: it refused the TLS handshake, .* client certificate$/, /docs\/library\.md/, [
    "received fatal alert: HandshakeFailure",
    "error:10000410:SSL routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE",
    "received fatal alert: AccessDenied",
    "error:10000419:SSL routines:OPENSSL_internal:TLSV1_ALERT_ACCESS_DENIED",
  ]],
  [/: it speaks no version of TLS that is safe to use$/, /TLS 1\.2 or 1\.3/, [
    "received fatal alert: ProtocolVersion",
    "error:1000042e:SSL routines:OPENSSL_internal:TLSV1_ALERT_PROTOCOL_VERSION",
  ]],
  [/: it serves TLS for other host names$/, /name that it is set up for/, [
    "received fatal alert: UnrecognisedName",
    "error:10000458:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNRECOGNIZED_NAME",
  ]],
  [/: its TLS certificate is of X\.509 version 1, /, /version 3.*--insecure/, [
    "invalid peer certificate: Other(OtherError(UnsupportedCertVersion))",
  ]],
  [/: its TLS certificate is not one for servers$/, /serverAuth/, [
    "invalid peer certificate: certificate does not allow extended key usage for server authentication",
    "unsupported certificate purpose\nINVALID_PURPOSE",
  ]],
  [/: its TLS certificate is signed in a way that is not safe$/, /SHA-256/, [
    "invalid peer certificate: UnsupportedSignatureAlgorithmContext { signature_algorithm_id: [6] }",
    "invalid peer certificate: BadSignature",
  ]],
  [/: its TLS certificate is not trusted$/, /--ca FILE/, [
    "invalid peer certificate: UnknownIssuer",
    "unable to verify the first certificate\nUNABLE_TO_VERIFY_LEAF_SIGNATURE",
  ]],
  [/: TLS handshake failed$/, /client certificate/, [
    "received fatal alert: InternalError",
    "error:10000438:SSL routines:OPENSSL_internal:TLSV1_ALERT_INTERNAL_ERROR",
  ]],
];

test("toNetworkError tells apart why TLS does not come about", () => {
  for (const [message, hint, texts] of TLS) {
    for (const text of texts) {
      const cause = new Error(text);
      const error = toNetworkError(new TypeError("fetch failed", { cause }), "ping", request);
      assert(message.test(error.message), `${text}: ${error.message}`);
      assert(hint.test(error.hint ?? ""), `${text}: ${error.hint}`);
      assertEquals(error.retryable, false);
    }
  }
});

for (const [name, thrown, message, { retryable, hint }] of CASES) {
  test(`toNetworkError says the same on every runtime: ${name}`, () => {
    const error = toNetworkError(thrown, "push blob X", request);
    assertInstanceOf(error, NetworkError);
    assert(error.message.startsWith("Cannot push blob X: registry.test:5000: "), error.message);
    assert(message.test(error.message), error.message);
    assertEquals(error.message.includes("\n"), false);
    assertEquals([error.retryable, error.method, error.url], [
      retryable,
      "PUT",
      request.url,
    ]);
    assertEquals(error.cause, thrown);
    if (hint) assert(hint.test(error.hint ?? ""), error.hint);
    else assertEquals(error.hint, undefined);
  });
}

test("toNetworkError names the proxy on the way where that may be the reason", () => {
  const via = "http://proxy.test:3128";
  const hintOf = (words: string, ifBroken?: string) =>
    toNetworkError(denoError("client error (Connect)", words), "ping", {
      ...request,
      via,
      ifBroken,
    })
      .hint ?? "";
  for (
    const words of ["tls handshake eof", "Connection reset by peer", "the TLS handshake failed"]
  ) {
    assertMatch(
      hintOf(words),
      /through the proxy http:\/\/proxy\.test:3128, .*NO_PROXY=registry\.test/,
    );
  }
  assertMatch(
    hintOf("invalid peer certificate: UnknownIssuer"),
    /read along .*--ca FILE; NO_PROXY/,
  );
  assertEquals(hintOf("Connection reset by peer", "smaller chunks"), "smaller chunks");
  assertMatch(hintOf("certificate expired"), /have it renewed/);
});

test("toNetworkError shows the first line of what it does not know, and would try again", () => {
  const error = toNetworkError(new Error("the moon is full\nand so on"), "ping", request);
  assertEquals(error.message, "Cannot ping: registry.test:5000: the moon is full");
  assertEquals(error.retryable, true);
  assertEquals(
    toNetworkError("just text", "ping", request).message,
    "Cannot ping: registry.test:5000: just text",
  );
  assertEquals(
    toNetworkError(undefined, "ping", request).message,
    "Cannot ping: registry.test:5000: request failed",
  );
});

test("toNetworkError takes no part of an address for a reason", () => {
  // Repositories, hosts and what a registry puts into the URL of an upload have any letters.
  for (const word of ["dns", "tls", "SSL", "handshake", "self-signed", "CERT_", "unreachable"]) {
    const [origin, local] = [`http://${word}.test:5000`, `${word}.test:5000`];
    const url = `${origin}/v2/${word}/blobs/uploads/1?_state=Do-U1NNJhM97g${word}Lxzp&digest=X`;
    const reason = "client error (SendRequest): connection closed before message completed";
    const errors = [
      denoError("client error (SendRequest)", "Connection reset by peer (os error 104)", url),
      new TypeError("fetch failed", {
        cause: new Error(`error sending request from 127.0.0.1:1 for ${url} (${local}): ${reason}`),
      }),
      bunError(`The socket connection was closed unexpectedly, fetching "${url}"`, "ECONNRESET"),
    ];
    for (const thrown of errors) {
      const error = toNetworkError(thrown, "push", { method: "PUT", url });
      const expected = `Cannot push: ${new URL(url).host}: connection broken`;
      assertEquals([error.message, error.retryable], [expected, true]);
    }
  }
});

test("toNetworkError comes to an end with an error that is its own cause", () => {
  const error = new Error("round");
  error.cause = error;
  assertEquals(
    toNetworkError(error, "ping", request).message,
    "Cannot ping: registry.test:5000: round",
  );
});

function denoError(kind: string, reason: string, url = request.url): TypeError {
  const text = `error sending request for url (${url})`;
  return new TypeError(text, { cause: new Error(`${kind}: ${reason}`) });
}

function bunError(text: string, code: string): Error {
  return Object.assign(new Error(text), { code });
}
