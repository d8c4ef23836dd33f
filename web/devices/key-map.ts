/** Effect of a key: adds a number to an axis, or sets a switch (`amount` null). */
export interface KeyEffect {
  readonly target: string;
  readonly amount: number | null;
}

/** Default keys: W, A, S, D and the arrows for the axes x (right) and y (forward). */
export const DEFAULT_KEYS = 'w=y+1 s=y-1 a=x-1 d=x+1 arrowup=y+1 arrowdown=y-1 arrowleft=x-1 arrowright=x+1';

const ENTRY = /^(?<key>[^=]+|=)=(?<target>[A-Za-z_]\w*)(?<amount>[+-]\d+(?:\.\d+)?)?$/;

/**
 * Reads a list such as `w=y+1 s=y-1 space=brake`: keys by `KeyboardEvent.key`, in lower case, with `space` for the
 * space bar.
 *
 * @throws {TypeError} for an entry of another format.
 */
export function parseKeyMap(text: string): ReadonlyMap<string, KeyEffect> {
  const entries = text.split(/\s+/).filter(Boolean);
  return new Map(
    entries.map((entry) => {
      const { key, target, amount } = ENTRY.exec(entry)?.groups ?? {};
      if (key === undefined || target === undefined)
        throw new TypeError(`the key ${JSON.stringify(entry)} is invalid, expected for example w=y+1 or space=brake`);
      return [key.toLowerCase(), { target, amount: amount === undefined ? null : Number(amount) }];
    }),
  );
}

/** Value of the held keys: each axis from -1 to 1, each switch true or false. */
export function keyValue(
  map: ReadonlyMap<string, KeyEffect>,
  held: ReadonlySet<string>,
): Record<string, number | boolean> {
  const sums = new Map<string, number | boolean>();
  for (const [key, { target, amount }] of map) {
    const isHeld = held.has(key);
    if (amount === null) sums.set(target, sums.get(target) === true || isHeld);
    else sums.set(target, Number(sums.get(target) ?? 0) + (isHeld ? amount : 0));
  }
  const limited = [...sums].map(([target, sum]) => [target, typeof sum === 'number' ? clamp(sum) : sum]);
  return Object.fromEntries(limited) as Record<string, number | boolean>;
}

function clamp(sum: number): number {
  return Math.max(-1, Math.min(1, sum));
}

/** Elements that handle keys themselves when they have the focus. */
const TYPING = 'input:not([type=range], [type=checkbox], [type=radio], [type=button]), textarea, select';
const PRESSED = 'button, a[href], summary, input[type=checkbox], input[type=radio], input[type=button]';
const MOVED = 'input[type=range], input[type=radio], [role=slider], [role=application]';

/** Whether the focused element uses a key itself: a field for typing, a button, a slider, a joystick. */
export function isUsedByTarget(target: EventTarget | undefined, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.matches(TYPING)) return true;
  if (key === 'space' || key === 'enter') return target.matches(PRESSED);
  return key.startsWith('arrow') && target.matches(MOVED);
}
