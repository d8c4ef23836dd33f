import type { ReactiveController, ReactiveControllerHost } from 'lit';
import { runInBackground } from '../background.ts';
import type { GearwayViewer } from '../viewer/gearway-viewer.ts';
import { ControlChannel } from './control-channel.ts';

type Host = ReactiveControllerHost & Element & { readonly viewer: string };

/** Joins the channel of a viewer. @returns the function that leaves it. */
export type JoinChannel = (channel: ControlChannel, viewer: GearwayViewer) => () => void;

/**
 * Keeps its element in the channel of its viewer while the element is in the page, as soon as the viewer is defined and
 * in the page; after a change, in the channel of another viewer.
 */
export class ChannelController implements ReactiveController {
  readonly #host: Host;
  readonly #join: JoinChannel;
  readonly #identity: () => string | null;
  /**
   * Viewer and identity with which the element has joined the channel, or waits for it; null if the element stays
   * outside.
   */
  #key: string | null = null;
  #end: () => void = () => undefined;
  #channel: ControlChannel | null = null;

  /**
   * @param identity with which the element joins: it leaves and joins again when this changes. null to stay outside.
   */
  constructor(host: Host, join: JoinChannel, identity: () => string | null = () => '') {
    this.#host = host;
    this.#join = join;
    this.#identity = identity;
    host.addController(this);
  }

  /** The channel; null while there is no viewer. */
  get channel(): ControlChannel | null {
    return this.#channel;
  }

  hostConnected(): void {
    this.#update();
  }

  /** Called when the element may have another viewer or identity. */
  hostUpdated(): void {
    if (this.#host.isConnected) this.#update();
  }

  hostDisconnected(): void {
    this.#leave();
  }

  #update(): void {
    const identity = this.#identity();
    const key = identity === null ? null : JSON.stringify([this.#host.viewer, identity]);
    if (key === this.#key) return;
    this.#leave();
    if (key === null) return;
    this.#key = key;
    this.#end = this.#follow();
  }

  #leave(): void {
    this.#end();
    this.#end = () => undefined;
    this.#key = null;
  }

  /**
   * Joins the channel as soon as the viewer is available, also after the viewer was replaced.
   *
   * @returns a function that ends this. Idempotent.
   */
  #follow(): () => void {
    const { viewer: id } = this.#host;
    let joined: { readonly viewer: GearwayViewer; readonly leave: () => void } | null = null;
    let isEnded = false;
    const leave = (): void => {
      joined?.leave();
      joined = null;
      this.#channel = null;
      this.#host.requestUpdate();
    };
    const update = (): void => {
      const viewer = findViewer(this.#host.getRootNode(), id);
      if (isEnded || viewer === (joined?.viewer ?? null)) return;
      leave();
      if (viewer === null) return;
      const channel = ControlChannel.of(viewer);
      // Throws for a name that is in use: the element then has no channel.
      joined = { viewer, leave: this.#join(channel, viewer) };
      this.#channel = channel;
    };
    const observer = new MutationObserver(update);
    const start = async (): Promise<void> => {
      await customElements.whenDefined('gearway-viewer');
      if (isEnded) return;
      for (const scope of new Set([this.#host.getRootNode(), document]))
        observer.observe(scope, { childList: true, subtree: true, attributeFilter: ['id'] });
      update();
      if (joined !== null) return;
      const expected = id === '' ? 'in the page' : `with the id ${JSON.stringify(id)}`;
      console.warn(`${this.#host.localName}: waits for a <gearway-viewer> ${expected}`);
    };
    runInBackground(start());
    return () => {
      isEnded = true;
      observer.disconnect();
      leave();
    };
  }
}

/** The viewer with this id, or, without an id, the first viewer of the page; null if there is none. */
function findViewer(root: Node, id: string): GearwayViewer | null {
  const scopes = root instanceof ShadowRoot ? [root, document] : [document];
  for (const scope of scopes) {
    const found = id === '' ? scope.querySelector('gearway-viewer') : scope.getElementById(id);
    if (found !== null) return found.localName === 'gearway-viewer' ? (found as GearwayViewer) : null;
  }
  return null;
}
