/** What is used of Bun's globals; its own types would be one more dependency. */
export interface BunGlobals {
  Bun: {
    argv: string[];
    env: Record<string, string | undefined>;
    stdin: BunFile;
    stdout: BunFile;
    stderr: BunFile;
    file(path: string | URL): BunFile;
    Glob: new (pattern: string) => {
      scan(options: { cwd: string; dot: boolean; onlyFiles: boolean }): AsyncIterable<string>;
    };
    resolveSync(specifier: string, folder: string): string;
    write(
      target: BunFile | string,
      content: string | BunFile,
      options?: { createPath: boolean },
    ): Promise<number>;
    connect(options: {
      hostname: string;
      port: number;
      tls: { serverName: string; rejectUnauthorized: boolean; ca?: string };
      socket: {
        handshake(socket: unknown, isDone: boolean, error: Error | null): void;
        error(socket: unknown, error: Error): void;
        data(): void;
        close(): void;
      };
    }): Promise<{ end(): void }>;
    spawn(
      command: readonly string[],
      options: { stdin: "inherit"; stdout: "pipe"; stderr: "inherit" },
    ): { stdout: ReadableStream<Uint8Array> };
    spawn(
      command: readonly string[],
      options: { stdin: "ignore"; stdout: "ignore"; stderr: "pipe"; detached: boolean },
    ): { stderr: ReadableStream<Uint8Array>; exited: Promise<number> };
    spawn(
      command: readonly string[],
      options: { stdin: "pipe"; stdout: "pipe"; stderr: "pipe"; detached: boolean },
    ): BunChild;
    $(parts: TemplateStringsArray, ...values: unknown[]): BunShellCommand;
    serve(options: {
      hostname: string;
      port: number;
      maxRequestBodySize: number;
      idleTimeout: number;
      tls?: { cert: string; key: string };
      fetch(request: Request, server: BunServer): Response | Promise<Response>;
      error(): Response;
    }): BunServer;
  };
  process: {
    stdin: BunTerminal;
    stdout: BunTerminal;
    stderr: BunTerminal;
    on(signal: string, handler: () => void): void;
    off(signal: string, handler: () => void): void;
    readonly platform: string;
    cwd(): string;
    exit(code: number): never;
  };
}

export interface BunServer {
  port: number;
  /** Requests that have not been answered to the last byte. */
  pendingRequests: number;
  requestIP(request: Request): { address: string } | null;
  /** Silence after which the connection of a request is ended; until something of its answer is sent. 0 is for ever. */
  timeout(request: Request, seconds: number): void;
  stop(closeConnections: boolean): Promise<void>;
}

/** A program that is fed. */
export interface BunChild {
  stdin: { write(text: string): unknown; flush(): unknown; end(): unknown };
  stdout: ReadableStream<Uint8Array>;
  stderr: ReadableStream<Uint8Array>;
  exited: Promise<number>;
  unref(): void;
}

/** A file, or a standard stream. */
export interface BunFile extends Blob {
  stat(): Promise<{
    size: number;
    mtime: Date;
    nlink: number;
    dev: number;
    ino: number;
    isFile(): boolean;
    isDirectory(): boolean;
    isCharacterDevice(): boolean;
    isFIFO(): boolean;
  }>;
  slice(start: number, end: number): BunFile;
  writer(): BunWriter;
  delete(): Promise<void>;
}

/** Collects what is written until it is flushed; each call may fail, for what it hands to the system. */
export interface BunWriter {
  write(bytes: Uint8Array): number | Promise<number>;
  flush(): number | Promise<number>;
  end(): number | Promise<number>;
}

/** A command that starts when it is awaited. */
export interface BunShellCommand extends Promise<{ exitCode: number; stderr: Uint8Array }> {
  quiet(): BunShellCommand;
  nothrow(): BunShellCommand;
}

interface BunTerminal {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}
