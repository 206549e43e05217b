import { assertEquals } from "@std/assert";
import { readProxies } from "../../src/runtime/proxies.ts";
import { test } from "../helpers/test.ts";

const PROXY = "http://proxy.test:3128";
const VARIABLES = {
  http: ["HTTP_PROXY", "http_proxy", "ALL_PROXY"],
  https: ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"],
  schemes: ["http", "https"],
};

function read(env: Record<string, string>) {
  return readProxies((name) => env[name], VARIABLES);
}

function isPast(noProxy: string, url: string, name = "NO_PROXY"): boolean {
  return read({ ALL_PROXY: PROXY, [name]: noProxy })?.proxyFor(new URL(url)) === undefined;
}

test("readProxies() is nothing where no proxy is set", () => {
  for (const env of [{}, { NO_PROXY: "*" }, { HTTP_PROXY: "" }, { HTTP_PROXY: "ftp://x" }]) {
    assertEquals(read(env), undefined);
  }
});

test("readProxies() takes the first variable that has an address for the scheme", () => {
  const cases: [Record<string, string>, string | undefined, (string | undefined)?][] = [
    [{ HTTP_PROXY: PROXY }, PROXY],
    [{ HTTPS_PROXY: PROXY }, undefined, PROXY],
    [{ ALL_PROXY: PROXY }, PROXY, PROXY],
    [{ HTTP_PROXY: "", http_proxy: "http://b.test:1", ALL_PROXY: PROXY }, "http://b.test:1", PROXY],
    [{ HTTP_PROXY: "socks5://b.test:1", ALL_PROXY: PROXY }, PROXY, PROXY],
    [{ HTTP_PROXY: "proxy.test:3128" }, PROXY],
    [{ HTTPS_PROXY: "https://proxy.test" }, undefined, "https://proxy.test"],
    [{ HTTP_PROXY: "http://user:secret@proxy.test:3128/path" }, PROXY],
  ];
  for (const [env, http, https] of cases) {
    const proxies = read(env);
    assertEquals(proxies?.proxyFor(new URL("http://registry.test/")), http);
    assertEquals(proxies?.proxyFor(new URL("https://registry.test/")), https);
  }
});

test("readProxies() leads past the proxy to this machine", () => {
  const own = ["localhost:5000", "LOCALHOST", "a.localhost", "localhost.", "127.0.0.1:5000"];
  for (const host of [...own, "127.9.9.9", "[::1]:5000", "127.1", "[::ffff:127.0.0.1]:5000"]) {
    for (const scheme of ["http", "https"]) assertEquals(isPast("", `${scheme}://${host}/`), true);
  }
  const others = ["localhost.test", "mylocalhost", "127.test", "128.0.0.1", "[::2]", "[1::1]"];
  for (const host of [...others, "[::ffff:128.0.0.1]", "[::127.0.0.1]"]) {
    assertEquals(isPast("", `http://${host}/`), false, host);
  }
});

test("readProxies() leads past the proxy to what NO_PROXY or no_proxy names", () => {
  const cases: [noProxy: string, past: string[], through: string[]][] = [
    ["*", ["http://a.test", "https://10.0.0.1:5000", "http://[2001:db8::1]"], []],
    [
      "registry.test",
      ["http://registry.test", "https://registry.test:5000", "http://a.registry.test."],
      ["http://notregistry.test", "http://registry.test.evil", "http://registry"],
    ],
    [".corp.test", ["http://a.corp.test", "http://corp.test"], ["http://acorp.test"]],
    ["*.corp.test", ["http://a.b.corp.test"], ["http://corp.tests"]],
    ["REGISTRY.Test", ["http://registry.test"], []],
    [
      "registry.test:5000",
      ["http://registry.test:5000", "https://a.registry.test:5000"],
      ["http://registry.test", "http://registry.test:5001"],
    ],
    ["registry.test:80", ["http://registry.test"], ["https://registry.test"]],
    ["registry.test:443", ["https://registry.test"], ["http://registry.test"]],
    ["10.1.2.3", ["http://10.1.2.3:5000"], ["http://10.1.2.4", "http://10.1.2.30"]],
    ["10.1.2.3:5000", ["http://10.1.2.3:5000"], ["http://10.1.2.3"]],
    ["10.0.0.0/8", ["http://10.255.0.1"], ["http://11.0.0.1", "http://10.test"]],
    ["172.16.0.0/12", ["http://172.31.255.1"], ["http://172.32.0.1", "http://172.15.0.1"]],
    ["192.168.1.64/26", ["http://192.168.1.127"], ["http://192.168.1.128"]],
    ["10.0.0.0/8", ["http://[::ffff:10.1.2.3]"], ["http://[::ffff:11.0.0.1]"]],
    ["::ffff:10.0.0.0/104", ["http://10.1.2.3", "http://[::ffff:10.1.2.3]"], ["http://11.0.0.1"]],
    ["0.0.0.0/0", ["http://8.8.8.8"], ["http://[2001:db8::1]", "http://a.test"]],
    ["10.0.0.0/", [], ["http://10.0.0.1"]],
    [
      "2001:db8::/32",
      ["http://[2001:db8:ffff::1]:5000"],
      ["http://[2001:db9::1]", "http://32.1.13.184"],
    ],
    ["2001:db8::1", ["http://[2001:0db8:0:0::1]"], ["http://[2001:db8::2]"]],
    ["[2001:db8::1]", ["http://[2001:db8::1]:5000"], []],
    ["[2001:db8::1]:5000", ["http://[2001:db8::1]:5000"], ["http://[2001:db8::1]"]],
    ["a.test, b.test\tc.test,,", ["http://a.test", "http://b.test", "http://c.test"], [
      "http://d.test",
    ]],
    [",", [], ["http://a.test"]],
  ];
  for (const [noProxy, past, through] of cases) {
    for (const name of ["NO_PROXY", "no_proxy"]) {
      for (const url of past) assertEquals(isPast(noProxy, url, name), true, `${noProxy} ${url}`);
      for (const url of through) {
        assertEquals(isPast(noProxy, url, name), false, `${noProxy} ${url}`);
      }
    }
  }
});

test("readProxies() takes NO_PROXY and no_proxy together", () => {
  const proxies = read({ ALL_PROXY: PROXY, NO_PROXY: "a.test", no_proxy: "b.test" });
  const seen = ["a", "b", "c"].map((name) => proxies?.proxyFor(new URL(`http://${name}.test`)));
  assertEquals(seen, [undefined, undefined, PROXY]);
});
