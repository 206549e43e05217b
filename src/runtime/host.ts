import type { BlobSource, FolderSource } from "../source/blob_source.ts";
import type { FolderRegistryStorage, StorageOptions } from "./storage/open_storage.ts";

/** A file that is open: readable at any offset, any number of times, until it is disposed of. */
export type OpenFile = BlobSource & AsyncDisposable;

/** Where a program writes text. Writes keep their order; one to a pipe that nobody reads is dropped. */
export interface TextOutput {
  /** Whether a person sees it at once. */
  isTerminal(): Promise<boolean> | boolean;
  /** Size of the terminal in characters, as it is now; 80 by 24 where there is none to ask. */
  size(): { columns: number; rows: number };
  /** Writes the text; the promise is settled when it has been handed to the system. */
  write(text: string): Promise<void>;
}

/** Where a program reads bytes. */
export interface ByteInput {
  /** Whether a person would have to type them. */
  isTerminal(): Promise<boolean> | boolean;
  /** The bytes in pieces of up to 1 MiB, read only as they are asked for. To be called once. */
  stream(): ReadableStream<Uint8Array>;
  /** The same as `stream`, in pieces that nobody else has: a push frees each as soon as it was sent. */
  ownStream?(): ReadableStream<Uint8Array>;
  /**
   * The same as `stream`, in pieces as they come, however small: for who begins with the first line. Each is good until the
   * next is asked for.
   */
  pieces(): AsyncIterable<Uint8Array>;
}

/** Where a program writes bytes. */
export interface ByteOutput {
  /** Whether a person would see them as garbage. */
  isTerminal(): Promise<boolean> | boolean;
  /**
   * Hands bytes to the system. One call after the other.
   *
   * @returns False once nobody reads: what was written is not whole for anybody.
   */
  write(bytes: Uint8Array): Promise<boolean>;
}

/**
 * A file that is written beside the one that it shall replace. Disposing of it removes it, unless it was committed:
 * under its own name a file is whole, or is the one that was there before.
 */
export interface NewFile extends AsyncDisposable {
  /** Appends bytes. One call after the other. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Ends what is written, so that nothing but its name is missing: many files can wait for that without being open. A commit
   * does it as well.
   */
  end(): Promise<void>;
  /** Gives the file its name, in the place of what had it. */
  commit(): Promise<void>;
}

/** What is known of a file without opening it. */
export interface FileInfo {
  /** What it is, links followed. */
  kind: "file" | "directory" | "other";
  /** Length in bytes. */
  size: number;
  /** When its content changed last, in milliseconds since 1970. */
  modified: number;
  /** What tells it from every other of this machine, under whatever name; undefined where the system has no such thing. */
  id?: string;
}

/** How a file is opened. */
export interface OpenFileOptions {
  /**
   * Whether it is kept open, as far as the runtime does that at all; one of very many is opened for each read.
   * @default {true}
   */
  isHeld?: boolean;
}

/** How a TLS connection is checked. */
export interface TlsOptions {
  /** Further root certificates, PEM. */
  ca?: string | undefined;
  /**
   * Hosts whose certificates are accepted whatever they are: names or addresses without ports. On Bun those count that are there
   * at the time of a request.
   * @default {[]}
   */
  insecureHosts?: readonly string[] | undefined;
}

/** Where a server listens. */
export interface ListenOptions {
  /** Address to bind. */
  hostname: string;
  /** Port to bind; 0 takes a free one. */
  port: number;
  /** Certificate, with those between it and the root, and key, PEM: makes it a server for https. */
  tls?: { cert: string; key: string } | undefined;
}

/** Answers a request; it is told the address of the client. */
export type ServeHandler = (request: Request, client: string) => Response | Promise<Response>;

/** A server that listens. */
export interface ListeningServer {
  /** The port it has. */
  readonly port: number;
  /** Takes no more requests; settled when those that are under way have been answered. */
  finish(): Promise<void>;
  /** Ends it at once, open connections included. */
  stop(): Promise<void>;
}

/** What a command-line program needs of the runtime that it runs on. */
export interface Host {
  /** The runtime. */
  readonly name: "deno" | "bun";
  /** Arguments after the name of the program. */
  readonly args: readonly string[];
  /** What is piped in. */
  readonly stdin: ByteInput;
  /** For results. */
  readonly stdout: TextOutput;
  /** The same for what is no text; a program uses one of the two. */
  readonly byteStdout: ByteOutput;
  /** For progress and messages. */
  readonly stderr: TextOutput;
  /** An environment variable; undefined where it is not set or may not be read. */
  env(name: string): string | undefined;
  /** {@linkcode openFile} of this runtime. */
  openFile(path: string | URL, options?: OpenFileOptions): Promise<OpenFile>;
  /** {@linkcode openDirectory} of this runtime. */
  openDirectory(path: string): Promise<FolderSource>;
  /** {@linkcode openStorage} of this runtime. */
  openStorage(path: string, options?: StorageOptions): Promise<FolderRegistryStorage>;
  /**
   * What comes once, from a pipe that has a path: a FIFO, or what a shell makes of `<(COMMAND)`. It is opened when it is
   * read, and then waits for somebody to write to it.
   *
   * @returns The bytes in pieces that nobody else has; undefined where the path leads to anything else.
   */
  openPipe(path: string): Promise<ReadableStream<Uint8Array> | undefined>;
  /** Reads a small file, in UTF-8 or in UTF-16 with a mark that says so. */
  readTextFile(path: string): Promise<string>;
  /** What there is under a path; undefined for nothing. */
  fileInfo(path: string): Promise<FileInfo | undefined>;
  /** Appends a text to a file, which is created where there is none, for no text too. It comes whole or not at all. */
  appendText(path: string, text: string): Promise<void>;
  /** Creates or replaces a file. */
  writeTextFile(path: string, text: string): Promise<void>;
  /**
   * Finds out whether {@linkcode Host.writeTextFile} may write to a path, and leaves it as it was. Of a pipe or device only
   * writing tells.
   *
   * @returns Whether something is there, as far as the rights tell that this runtime was given.
   * @throws {OciError} If it may not.
   */
  requireWritable(path: string): Promise<boolean>;
  /** Makes a folder, and those above it, where they are not there. */
  makeDirectory(path: string): Promise<void>;
  /**
   * Begins a file that takes its place when it is whole. A link in that place is replaced, not followed.
   *
   * @param path Where it shall be.
   * @throws {OciError} If there is no such folder, it may not be written to, or a directory or device is in the place, or
   * what is open already (`/dev/stdout`).
   */
  createFile(path: string): Promise<NewFile>;
  /**
   * Takes a lock on a file, which is created where there is none. It ends with the process, and is there for others that take
   * it alone.
   *
   * @returns Undefined where another has it.
   * @throws {OciError} If there is no such lock here: on Bun it takes the program `flock` of the system.
   */
  lockFile(path: string): Promise<AsyncDisposable | undefined>;
  /** Calls `handler` at every Ctrl-C or request to end, instead of ending; returns what takes that back. */
  onInterrupt(handler: () => void): () => void;
  /**
   * A `fetch` whose TLS connections are checked so, and that goes past the proxies of the environment (`HTTP_PROXY` and
   * the like) to this machine itself and to what `NO_PROXY` names. On Deno it uploads over HTTP/1.1, and heeds `NO_PROXY`
   * in its own way where the variables may not be read.
   */
  fetchWith(options: TlsOptions): (request: Request) => Promise<Response>;
  /**
   * Runs the program again so that every certificate of these hosts is accepted, and returns its exit code. Absent where there
   * is no need to, since {@linkcode Host.fetchWith} does it.
   *
   * @param input What it gets piped in, in place of what this one has.
   */
  restartTrusting?: (hosts: readonly string[], input?: string) => Promise<number>;
  /** Listens for HTTP requests and answers them with `handler`. */
  serve(handler: ServeHandler, options: ListenOptions): Promise<ListeningServer>;
  /** Ends the process at once. */
  exit(code: number): never;
}
