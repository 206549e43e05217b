import { createHash } from "@tarpush/tarpush";

/** An archive to push. */
export interface Job {
  /** A URL, or a path that all workers have. */
  source: string;
  target: string | string[];
}

/** What became of an archive: what stands, or why it was given up. */
export interface Receipt {
  id: string;
  source: string;
  target: string | string[];
  worker: string;
  tries: number;
  images?: { reference: string; digest: string }[];
  bytesUploaded?: number;
  milliseconds?: number;
  error?: string;
  /** To queue it again. */
  job?: Job;
}

/** What an archive is called: what a URL has after its path may be secret, and new each time. */
export function nameOf({ source }: Job): string {
  return source.replace(/^(https?:\/\/[^?#]*).*/i, "$1");
}

/** The same for the same archive and target. */
export async function idOf(job: Job): Promise<string> {
  const hash = await createHash("sha256");
  await hash.update(new TextEncoder().encode(JSON.stringify([nameOf(job), job.target])));
  return await hash.digest();
}

/** Reads an archive of the queue, or of a list where it is JSON; undefined for what is none. */
export function readJob(json: string): Job | undefined {
  try {
    const { source, target } = JSON.parse(json);
    const isJob = typeof source === "string" && [target].flat().every(isText);
    return isJob ? { source, target } : undefined;
  } catch {
    return undefined;
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
