import { assertEquals } from "@std/assert";
import { misfitOf } from "../src/member_kinds.ts";
import { test } from "./helpers/test.ts";

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
  for (const [json, expected] of cases) assertEquals(misfitOf(json), expected);
});

test("misfitOf() takes a null like none, and members that it does not know, whatever they are", () => {
  const descriptor = { mediaType: null, urls: [null], annotations: { a: null }, platform: null };
  const json = {
    config: descriptor,
    layers: [descriptor, null],
    manifests: null,
    annotations: null,
  };
  assertEquals(misfitOf(json), undefined);
  const others = { constructor: 1, toString: 2, own: [{}] };
  assertEquals(misfitOf({ ...others, config: { ...others, platform: others } }), undefined);
});
