import { formatLayout, type LayoutDevice, parseLayout } from './device-layout.ts';

/** The devices that the user has chosen for a stream. They are stored in this browser. */
export class SavedLayout {
  readonly #key: string;
  #devices: readonly LayoutDevice[];

  constructor(stream: string) {
    // Gateways under different paths of one origin share its storage.
    this.#key = `gearway-layout ${new URL('.', location.href).pathname} ${stream}`;
    this.#devices = this.#load();
  }

  get devices(): readonly LayoutDevice[] {
    return this.#devices;
  }

  set devices(devices: readonly LayoutDevice[]) {
    this.#devices = devices;
    try {
      localStorage.setItem(this.#key, formatLayout(devices));
    } catch {
      // Storage is blocked: the layout lasts until the page is left.
    }
  }

  #load(): readonly LayoutDevice[] {
    try {
      return parseLayout(localStorage.getItem(this.#key) ?? '{"devices":[]}');
    } catch {
      return []; // Storage is blocked, or another program wrote the item.
    }
  }
}
