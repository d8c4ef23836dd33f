/** An error with a stable `code`. Tests and programs compare the code; people read the message, which says what was expected and what came. */
export class GearwayError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GearwayError';
    this.code = code;
  }
}

/** The text of anything thrown, for log lines and reasons. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
