/** Maximum number of commands saved per stream. */
const MAX_COMMANDS = 24;

/** Commands that the user has saved for a stream, as JSON texts. They are stored in this browser. */
export class SavedCommands {
  readonly #key: string;
  #texts: readonly string[];

  constructor(stream: string) {
    // Gateways under different paths of one origin share its storage.
    this.#key = `gearway-commands ${new URL('.', location.href).pathname} ${stream}`;
    this.#texts = this.#load();
  }

  /** Commands in the order in which they were saved. */
  get texts(): readonly string[] {
    return this.#texts;
  }

  get isFull(): boolean {
    return this.#texts.length >= MAX_COMMANDS;
  }

  has(text: string): boolean {
    return this.#texts.includes(text.trim());
  }

  /** Saves a command, unless it is already saved. */
  add(text: string): void {
    if (this.has(text) || this.isFull) return;
    this.#set([...this.#texts, text.trim()]);
  }

  remove(text: string): void {
    this.#set(this.#texts.filter((saved) => saved !== text));
  }

  #set(texts: readonly string[]): void {
    this.#texts = texts;
    try {
      localStorage.setItem(this.#key, JSON.stringify(texts));
    } catch {
      // Storage is blocked: the commands last until the page is left.
    }
  }

  #load(): readonly string[] {
    try {
      const texts: unknown = JSON.parse(localStorage.getItem(this.#key) ?? '[]');
      return Array.isArray(texts) ? texts.filter((text) => typeof text === 'string').slice(0, MAX_COMMANDS) : [];
    } catch {
      return []; // Storage is blocked, or another program wrote the item.
    }
  }
}
