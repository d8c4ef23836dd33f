/** A result of the probe, as a sentence. For a problem, it includes the remedy. */
export interface Finding {
  readonly isGood: boolean;
  readonly text: string;
}

/** Called for each finding as soon as it is known. */
export type Report = (finding: Finding) => void;

export const good = (text: string): Finding => ({ isGood: true, text });
export const bad = (text: string): Finding => ({ isGood: false, text });

/** Formats a number with two or three significant digits. */
export function rounded(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toFixed(1);
}

/** Truncates a value from a peer to the length of a line. */
export function shown(json: string): string {
  return json.length > 80 ? `${json.slice(0, 80)}…` : json;
}
