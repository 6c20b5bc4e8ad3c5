/** Wrapper of the programs that the scripts run: results go to stdout, all else to stderr; an error is one line. */

// Versions are pinned, so each run would tell of those that will be for a newer Node.js.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';

/** Runs a program with its arguments. */
export async function program(main: (...args: string[]) => Promise<void> | void): Promise<void> {
  try {
    await main(...process.argv.slice(2));
  } catch (error) {
    console.error(`error: ${reason(error)}`);
    process.exitCode = 1;
  }
}

/** Message of an error, with the code that AWS gave it. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A refused connection has a code only.
  const message = error.message || String((error as NodeJS.ErrnoException).code);
  return '$fault' in error ? `${error.name}: ${message}` : message;
}

/** Prints `name=value` lines, which the scripts read. */
export function print(values: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(values)) console.log(`${name}=${value ?? ''}`);
}
