import { assertEquals } from "@std/assert";
import { misfitOf } from "../src/member_kinds.ts";
import { encode, encodeJson } from "./helpers/archives.ts";
import { test } from "./helpers/test.ts";

const misfit = (json: unknown) => misfitOf(json, encodeJson(json));

test("misfitOf() names the first member of another kind, wherever it stands", () => {
  const cases: [Record<string, unknown>, string | undefined][] = [
    [{ annotations: { k: 1 } }, 'its member "annotations.k" is a number, expected a string'],
    [{ annotations: ["k"] }, 'its member "annotations" is a list, expected an object'],
    [
      { config: { mediaType: true } },
      'its member "config.mediaType" is a boolean, expected a string',
    ],
    [{ layers: {} }, 'its member "layers" is an object, expected a list'],
    [
      { layers: [{}, { urls: "x" }] },
      'its member "layers[1].urls" is a string, expected a list',
    ],
    [
      { manifests: [{ platform: { os: "linux", "os.features": [[]] } }] },
      'its member "manifests[0].platform.os.features[0]" is a list, expected a string',
    ],
    [
      { manifests: [{ platform: "x" }] },
      'its member "manifests[0].platform" is a string, expected an object',
    ],
    [{ artifactType: 1 }, 'its member "artifactType" is a number, expected a string'],
    [
      { subject: { annotations: { k: true } } },
      'its member "subject.annotations.k" is a boolean, expected a string',
    ],
    [{ config: { data: "e30" } }, 'its member "config.data" is not base64'],
    [{ config: { data: "e30==" } }, 'its member "config.data" is not base64'],
    [{ config: { data: "e3_=" } }, 'its member "config.data" is not base64'],
    [{ config: { data: "e3\r\n0=" } }, undefined],
    [{ config: { data: "" } }, undefined],
    [
      { annotations: { "\u001b[2J": 1 } },
      'its member "annotations.\\u001b[2J" is a number, expected a string',
    ],
  ];
  for (const [json, expected] of cases) assertEquals(misfit(json), expected);
});

test("misfitOf() names the first number that Go takes for no integer, as it is written", () => {
  const written = (number: string, place = "layers") =>
    `{"schemaVersion":2,"annotations":{"size":"5.0"},"${place}":[{"digest":"sha256:1e5","size": ${number}}]}`;
  const found = (text: string) => misfitOf(JSON.parse(text), encode(text));
  for (const number of ["5.0", "5e3", "5E+2", "50e-1", "5.5", "-5.0", "5.0e1"]) {
    const state = `is written as ${number}, which programs in Go take for no integer`;
    assertEquals(found(written(number)), `its member "layers[0].size" ${state}`);
    assertEquals(found(written(number, "manifests")), `its member "manifests[0].size" ${state}`);
    assertEquals(found(written(number, "other")), undefined);
  }
  for (const number of ["0", "5", "-5", "5000000000"]) {
    assertEquals(found(written(number)), undefined);
  }
  assertEquals(
    found('{"schemaVersion" : 2.0}'),
    'its member "schemaVersion" is written as 2.0, which programs in Go take for no integer',
  );
  for (const text of ["2", "\u001b[2J"]) {
    const state = "is a string, expected an integer";
    assertEquals(misfit({ schemaVersion: text }), `its member "schemaVersion" ${state}`);
  }
  const quoted = JSON.stringify({ annotations: { a: '{"size":5.0}', 'b"size': "5.0" } });
  assertEquals(found(quoted), undefined);
});

test("misfitOf() takes a null like none, and members that it does not know, whatever they are", () => {
  const descriptor = { mediaType: null, urls: [null], annotations: { a: null }, platform: null };
  const json = {
    config: descriptor,
    layers: [descriptor, null],
    manifests: null,
    annotations: null,
  };
  assertEquals(misfit(json), undefined);
  const others = { constructor: 1, toString: 2, own: [{}] };
  assertEquals(misfit({ ...others, config: { ...others, platform: others } }), undefined);
});
