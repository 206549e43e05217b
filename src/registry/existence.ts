import { NetworkError, RegistryError } from "../errors.ts";
import { type Call, contentType, discard, type Http, namesLogin } from "./http/call.ts";
import { requestOnce, waitForRetry } from "./http/http.ts";
import { answeredAt } from "./http/redirect.ts";

/** Answers to a method that is not known, or not let through. */
const MUTE = [401, 403, 405, 501];

/** Docker's first schema, which distribution makes of a manifest for who seems to know no other. */
const FIRST_SCHEMA = /^application\/vnd\.docker\.distribution\.manifest\.v1\b/;

/**
 * Whether an answer may be for a registry that takes a list of types in the header Accept for one type: distribution 2.3 and
 * 2.4 send a manifest of the first schema then, or cannot make one (400), Artipie's docker-adapter 0.13.1 answers 500. Types
 * in headers of their own are beyond `fetch`, which puts them in one line.
 */
export function mayWantOneType({ seen }: Http, answer: unknown): boolean {
  if (seen.wantsOneType === false) return false;
  return answer instanceof RegistryError
    ? [400, 406, 500].includes(answer.status)
    : answer instanceof Response && FIRST_SCHEMA.test(contentType(answer));
}

/** How the second question is asked, and when. */
export interface ExistenceOptions {
  /** Further headers of the GET; its body is left. */
  getHeaders?: Record<string, string>;
  /** Whether an answer to HEAD is about what was asked for. */
  isAbout?: (head: Response) => boolean;
  /** Whether a failure is the last, as something else is to be asked then. */
  isLast?: (error: unknown) => boolean;
}

/**
 * Asks whether something is there, with HEAD. Where the answer says nothing of that, it is asked with GET: a proxy may let
 * no HEAD through, the registry sends it on to a store where only the GET was signed, tells of something else, or refuses
 * it with a reason that only a GET shows.
 *
 * @param options Of the GET.
 * @returns The answer where it is there, its body discarded; undefined where it is not, and where nobody says.
 * @throws {RegistryError} If the registry refuses to say.
 */
export async function askWhetherThere(
  http: Http,
  call: Omit<Call, "method" | "expect">,
  { getHeaders = {}, isAbout = () => true, isLast = () => false }: ExistenceOptions = {},
): Promise<Response | undefined> {
  const head = await ask(http, { ...call, method: "HEAD", expect: [200, 404, ...MUTE] }, isLast);
  if (head?.status === 404) return undefined;
  if (head && isAbout(head)) return head;
  const headers = { ...call.headers, ...getHeaders };
  const expect = [200, 206, 404, 405, 416, 501];
  const get: Call = { ...call, headers, method: "GET", isDocument: true, expect };
  const answer = await ask(http, get, isLast);
  return answer && [200, 206, 416].includes(answer.status) ? answer : undefined;
}

/** The answer; undefined where it says nothing of what was asked for. */
async function ask(
  http: Http,
  call: Call,
  isLast: (error: unknown) => boolean,
): Promise<Response | undefined> {
  for (let attempt = 2;; attempt++) {
    try {
      const response = await requestOnce(http, call);
      const at = answeredAt(call, response);
      const isAway = isElsewhere(call.url, at);
      const isMute = MUTE.includes(response.status);
      if (isMute && !isAway && namesLogin(response)) {
        const { toRegistryError } = await import("./http/error_answer.ts");
        throw await toRegistryError(http, call, at, response);
      }
      await discard(response);
      // A store that does not know the HEAD of a URL may say that there is nothing.
      const isDoubtful = isMute || (isAway && response.status === 404 && call.method === "HEAD");
      return isDoubtful ? undefined : response;
    } catch (error) {
      // Its reason may be what became of another request.
      call.signal?.throwIfAborted();
      if (await saysNothing(call, error)) return undefined;
      if (isLast(error)) throw error;
      await waitForRetry(http, call, error, attempt);
    }
  }
}

async function saysNothing({ method, url }: Call, error: unknown): Promise<boolean> {
  if (method === "HEAD" && error instanceof RegistryError && isMuteRefusal(error)) return true;
  const { isBadLocation } = await import("./http/location.ts");
  if (isBadLocation(error)) return true;
  // What a store says, or that it is out of reach from here, is no word of the registry.
  return (error instanceof RegistryError || error instanceof NetworkError) &&
    isElsewhere(url, new URL(error.url));
}

/** Whether an answer to HEAD needs a body to say what it is: a web page, and a refusal that has a reason. */
function isMuteRefusal({ status, retryable, hint }: RegistryError): boolean {
  return status === 200 || (status >= 400 && status < 500 && !retryable && hint === undefined);
}

/** Whether a request was led to something else than the same resource of the same server, behind TLS for one. */
function isElsewhere(asked: URL, actual: URL): boolean {
  return actual.hostname !== asked.hostname || !actual.pathname.endsWith(asked.pathname);
}
