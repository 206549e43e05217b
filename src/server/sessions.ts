import { createPromise } from "../concurrency.ts";
import type { BlobWriter, Storage } from "../storage.ts";
import { Problem } from "./problem.ts";

export interface SessionLimits {
  /** Most sessions that are open at a time. */
  maxUploads: number;
  /** Idle time after which a session may be dropped for a new one. */
  uploadIdleSeconds: number;
}

/** An upload session: a writer and the request that feeds it, if any. */
export interface Session {
  readonly id: string;
  readonly repository: string;
  readonly writer: BlobWriter;
  /** Where the chunk begins that has not arrived as a whole. */
  chunkStart: number;
  /** Whether the last whole chunk was so short that none may follow. */
  endsShort: boolean;
  /** When the last request on it ended. */
  touched: number;
  turn: Turn | undefined;
}

/** The time that a session belongs to one request. */
interface Turn {
  controller: AbortController;
  ended: Promise<void>;
}

/**
 * The open upload sessions of a registry. They live in its memory: after a restart a client starts the blob again.
 *
 * Nothing runs on a timer. A session that was left behind is dropped when the place is needed and it has been idle
 * for long enough (distribution-spec, "Cancel a blob upload").
 */
export class Sessions {
  readonly #storage: Storage;
  readonly #limits: SessionLimits;
  readonly #now: () => number;
  readonly #sessions = new Map<string, Session>();
  #opening = 0;

  constructor(storage: Storage, limits: SessionLimits, now: () => number) {
    this.#storage = storage;
    this.#limits = limits;
    this.#now = now;
  }

  /**
   * Opens a session.
   *
   * @throws {Problem} 429 when too many are open and none has been idle for long enough.
   */
  async open(repository: string): Promise<Session> {
    if (this.#isFull()) await this.#dropIdle();
    if (this.#isFull()) {
      const message = `${this.#limits.maxUploads} uploads are open, which is the most at a time`;
      throw new Problem(429, { code: "TOOMANYREQUESTS", message }, {
        headers: { "Retry-After": "5" },
      });
    }
    this.#opening++;
    try {
      const writer = await this.#storage.createBlob();
      const id = crypto.randomUUID();
      const session = {
        id,
        repository,
        writer,
        chunkStart: 0,
        endsShort: false,
        touched: this.#now(),
        turn: undefined,
      };
      this.#sessions.set(id, session);
      return session;
    } finally {
      this.#opening--;
    }
  }

  /**
   * Finds a session of a repository.
   *
   * @throws {Problem} 404 if there is none.
   */
  get(repository: string, id: string): Session {
    const session = this.#sessions.get(id);
    if (session?.writer.isEnded) this.close(session);
    else if (session?.repository === repository) return session;
    const message = "no such upload: it was finished, cancelled or dropped";
    throw new Problem(404, { code: "BLOB_UPLOAD_UNKNOWN", message, detail: id.slice(0, 100) });
  }

  /**
   * Runs `work` while the session belongs to it alone. The newest request wins: a client that lost its connection
   * comes back before the server may have noticed, so the request before it is stopped through its signal, and awaited.
   *
   * @param work What to do; it must end soon after its signal is aborted.
   * @throws {Problem} 404 if the session was closed meanwhile.
   */
  async use<T>(session: Session, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    while (session.turn) {
      session.turn.controller.abort();
      await session.turn.ended;
    }
    this.get(session.repository, session.id);
    const { promise: ended, resolve: end } = createPromise();
    const controller = new AbortController();
    session.turn = { controller, ended };
    try {
      return await work(controller.signal);
    } finally {
      session.turn = undefined;
      // What could not be written takes no place.
      if (session.writer.isEnded) this.close(session);
      session.touched = this.#now();
      end();
    }
  }

  /** Forgets a session, whose writer the caller has ended or is about to end. */
  close(session: Session): void {
    this.#sessions.delete(session.id);
  }

  #isFull(): boolean {
    return this.#sessions.size + this.#opening >= this.#limits.maxUploads;
  }

  async #dropIdle(): Promise<void> {
    const latest = this.#now() - this.#limits.uploadIdleSeconds * 1000;
    const idle = [...this.#sessions.values()].filter(({ turn, touched }) =>
      !turn && touched <= latest
    );
    for (const session of idle) this.close(session);
    await Promise.all(idle.map(({ writer }) => writer.discard()));
  }
}
