import { peers, PythonPeer } from '../helpers/peers.ts';

/** Totals reported by a Python process, by its own clock. */
export interface Figures {
  readonly frames: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** A real NetGear program of this folder that answers on request, and ends with this process. */
export class NativePeer extends PythonPeer {
  #lastId = 0;

  constructor(script: string, options: Readonly<Record<string, unknown>>) {
    super(`../bench/${script}`, options, peers().python);
  }

  /**
   * @param word `go` and `rest` make a server send and stop, and a client of the film record; any other word only
   * requests the totals.
   */
  async ask(word: 'figures' | 'go' | 'rest'): Promise<Figures> {
    this.#lastId += 1;
    const id = this.#lastId;
    this.stdin.write(`${id} ${word}\n`);
    return this.waitFor<Figures & { readonly id: number }>('figures', (figures) => figures.id === id);
  }
}
