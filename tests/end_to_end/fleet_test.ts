import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { idOf, nameOf } from "../../examples/fleet/jobs.ts";
import { currentHost } from "../../src/runtime/mod.ts";
import { makeImage, OciLayout } from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { ownLayer, SHARED, startFleet } from "../helpers/fleet.ts";
import { natsSkip } from "../helpers/nats_server.ts";
import { test } from "../helpers/test.ts";

test("a fleet pushes every archive though a worker is killed and the queue restarts", async () => {
  await using fleet = await startFleet();
  const names = Array.from({ length: 9 }, (_, at) => `app${at}`);
  for (const name of names) await fleet.add(name);
  assertEquals(await fleet.run("enqueue.ts", fleet.list), "9 queued, 0 queued before\n");
  assertEquals(await fleet.run("enqueue.ts", fleet.list), "0 queued, 9 queued before\n");

  const gate = fleet.registry.holdUpload(await ownLayer("app4"));
  const workers = [fleet.startWorker(), fleet.startWorker(), fleet.startWorker()];
  await gate.reached;
  const victim = await Promise.any(workers.map((worker) => worker.took("app4")));
  victim.kill("SIGKILL");
  await fleet.nats.restart();
  gate.open();
  for (const worker of workers) {
    if (worker !== victim) assertEquals(await worker.ended, 0, worker.output());
  }

  assertEquals(await allTags(fleet.registry.handler), names.map((name) => `${name}:1`));
  for (const name of names) await readBack(fleet.registry.handler, name, "1");
  const { sent } = fleet.registry;
  assertEquals(sent.size, SHARED.length + 2 * names.length);
  // Once, and once more where the one that was killed was at it.
  assertEquals([...sent].filter(([, times]) => times > 2), []);
  assertMatch(await fleet.run("status.ts"), /^9 done .* 0 in work, 0 waiting, 0 given up/);
}, { skip: natsSkip });

test("a fleet gives up what fails five times, and takes it again when it is told to", async () => {
  await using fleet = await startFleet();
  await fleet.add("good");
  await fleet.add("bad", "no archive");
  await fleet.run("enqueue.ts", fleet.list);
  await fleet.startWorker().ended;
  assertEquals(await allTags(fleet.registry.handler), ["good:1"]);
  const status = await fleet.run("status.ts");
  assertMatch(status, /^1 done .* 1 given up/);
  assertMatch(status, /given up: \S+bad\.tar: \w+Error: Cannot read/);

  await fleet.add("bad");
  const dead = await fleet.run("status.ts", "--dead");
  const again = await fleet.folder.write("again", dead);
  assertEquals(await fleet.run("enqueue.ts", again), "0 queued, 1 queued before\n");
  assertEquals(await fleet.run("enqueue.ts", again, "--again"), "1 queued, 0 queued before\n");
  await fleet.startWorker().ended;
  assertEquals(await allTags(fleet.registry.handler), ["bad:1", "good:1"]);
  assertMatch(await fleet.run("status.ts", "--follow"), /^2 done .* 0 given up/);
}, { skip: natsSkip });

test("a worker of a fleet takes a folder, too", async () => {
  await using fleet = await startFleet();
  await fleet.add("app");
  const line = new TextDecoder().decode(await fleet.folder.read("list"));
  const { makeDirectory } = currentHost();
  await makeDirectory(`${fleet.folder.path}/layout/blobs/sha256`);
  const layout = await OciLayout.of(await makeImage(["one"]));
  for (const { path, body } of layout.entries()) {
    if (body !== undefined) await fleet.folder.write(`layout/${path}`, body);
  }
  await fleet.folder.write("list", line.replace("app.tar", "layout").replace("/app:", "/dir:"));
  await fleet.run("enqueue.ts", fleet.list);
  await fleet.startWorker().ended;
  assertEquals(await allTags(fleet.registry.handler), ["dir:1"]);
}, { skip: natsSkip });

test("a URL that is signed anew is the same archive of a fleet, one with another query is not", async () => {
  const id = (source: string) => idOf({ source, target: "localhost:5000" });
  const first = await id("https://store/a.tar?part=1&X-Amz-Date=1&X-Amz-Signature=1");
  assertEquals(await id("https://store/a.tar?part=1&X-Amz-Date=2&X-Amz-Signature=2"), first);
  const azure = "https://store/a.tar?sv=1&st=1&se=1&sr=b&sp=r&sig=";
  assertEquals(await id(`${azure}x`), await id(`${azure}y`));
  const others = [
    "https://store/get?name=a",
    "https://store/get?name=b",
    "get?name=a",
    "get?name=b",
  ];
  assertEquals(new Set(await Promise.all(others.map(id))).size, 4);
  const job = { source: "https://me:secret@store/a.tar?sig=secret#secret", target: "" };
  assertEquals(nameOf(job), "https://store/a.tar");
});

test("a worker of a fleet that is told to end leaves its archive to another one", async () => {
  await using fleet = await startFleet({ FLEET_PATIENCE_SECONDS: "600" });
  await fleet.add("app");
  await fleet.run("enqueue.ts", fleet.list);
  const gate = fleet.registry.holdUpload(await ownLayer("app"));
  const first = fleet.startWorker();
  await gate.reached;
  first.kill("SIGTERM");
  assertEquals(await first.ended, 0);
  gate.open();
  const second = fleet.startWorker();
  assertEquals(await second.ended, 0, second.output());
  assertStringIncludes(second.output(), "try 2");
  assertEquals(await allTags(fleet.registry.handler), ["app:1"]);
}, { skip: natsSkip });

test("a worker of a fleet gives up an archive that five have not come back from", async () => {
  await using fleet = await startFleet();
  await fleet.add("app");
  await fleet.run("enqueue.ts", fleet.list);
  const { wsconnect } = await import("@nats-io/nats-core");
  const { jetstream } = await import("@nats-io/jetstream");
  const connection = await wsconnect({ servers: fleet.nats.url });
  const queue = await jetstream(connection).consumers.get("fleet-work", "workers");
  for (let tries = 1; tries <= 5; tries++) (await queue.next())?.nak();
  await connection.drain();
  assertEquals(await fleet.startWorker().ended, 0);
  assertEquals(await allTags(fleet.registry.handler), []);
  assertStringIncludes(await fleet.run("status.ts"), "app.tar: 5 workers ended while");
}, { skip: natsSkip });
