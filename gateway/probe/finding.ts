/** One thing that the probe has found out, as a sentence; a bad one says what to do. */
export interface Finding {
  readonly isGood: boolean;
  readonly text: string;
}

/** Told as soon as it is known. */
export type Say = (finding: Finding) => void;

export const good = (text: string): Finding => ({ isGood: true, text });
export const bad = (text: string): Finding => ({ isGood: false, text });

/** A number as people read it: no more digits than mean something. */
export function rounded(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toFixed(1);
}

/** A value that somebody sent, short enough for a line. */
export function shown(json: string): string {
  return json.length > 80 ? `${json.slice(0, 80)}…` : json;
}
