import { createHash } from "@tarpush/tarpush";

/** An archive to push. */
export interface Job {
  /** A URL, or a path that all workers have, of a file or a folder. */
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

/** What an archive is called, without what a URL has that may be secret. */
export function nameOf({ source }: Job): string {
  const url = urlOf(source);
  return url ? url.origin + url.pathname : source;
}

/** The same for the same archive and target, also where its URL is signed anew. */
export async function idOf({ source, target }: Job): Promise<string> {
  const url = urlOf(source);
  for (const name of [...url?.searchParams.keys() ?? []]) {
    if (SIGNATURE.test(name)) url?.searchParams.delete(name);
  }
  const archive = url ? url.origin + url.pathname + url.search : source;
  const hash = await createHash("sha256");
  await hash.update(new TextEncoder().encode(JSON.stringify([archive, target])));
  return await hash.digest();
}

/** What AWS, CloudFront, Google, Azure, Alibaba and Tencent sign URLs with. Anything else may tell an archive from another. */
const SIGNATURE =
  /^(?:(?:x|q)-.*|signature|expires|policy|awsaccesskeyid|googleaccessid|ossaccesskeyid|key-pair-id|si[gp]|s[eprtv]|spr|sk(?:oid|tid|[tesv]))$/i;

/** The URL that a source is; undefined for a path. */
export function urlOf(source: string): URL | undefined {
  return /^https?:/i.test(source) && URL.canParse(source) ? new URL(source) : undefined;
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
