/** An error with a stable `code` for programs and tests. The message contains what was received and what was expected. */
export class GearwayError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GearwayError';
    this.code = code;
  }
}

/** The message of a thrown value, for log lines and reasons. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
