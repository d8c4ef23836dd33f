import { expect } from 'vitest';
import { Renditions } from '../../gateway/clients/renditions.ts';
import { type Admission, ViewerBinding, type ViewerSocket } from '../../gateway/clients/web/viewer-binding.ts';
import { formatPythonJson } from '../../gateway/codecs/python-json.ts';
import type { ControlNotice, ControlView } from '../../gateway/hub/control.ts';
import type { Stream } from '../../gateway/hub/stream.ts';
import type { ControlAction, Hello, Value } from '../../shared/protocol.ts';
import { principalWith } from './principal.ts';

/** A viewer without a socket. */
export class Person {
  readonly binding: ViewerBinding;
  /** Notifications that it has received, newest last. */
  readonly notifications: { readonly view: ControlView; readonly notice: ControlNotice | null }[] = [];
  readonly leaseKey: string;
  isConnected = true;
  #id = 0;

  constructor(stream: Stream, id: string, hello: Omit<Hello, 'type'> = {}) {
    this.binding = new ViewerBinding({
      id,
      served: { stream, renditions: new Renditions() },
      report: () => undefined,
      address: '192.0.2.1',
      authorize: () => ({ allowed: true, principal: principalWith(['view', 'return']) }),
    });
    const socket: ViewerSocket = {
      offer: () => undefined,
      needsPictures: true,
      announce: () => undefined,
      streamChanged: () => undefined,
      controlChanged: (view, notice) => this.notifications.push({ view, notice }),
      figures: () => ({
        state: 'live',
        reason: '',
        delivered: 0,
        deliveredBytes: 0,
        dropped: 0,
        rejected: 0,
        framesPerSecond: 0,
        roundTripMs: null,
        delayMs: null,
      }),
      close: () => (this.isConnected = false),
      closed: Promise.resolve(),
    };
    const admission = this.binding.enter(socket, { type: 'hello', ...hello }) as Admission;
    expect(admission.admitted).toBe(true);
    this.leaseKey = admission.admitted ? (admission.leaseKey ?? '') : '';
  }

  get port(): number {
    return this.binding.port ?? 0;
  }

  get last(): { readonly view: ControlView; readonly notice: ControlNotice | null } | undefined {
    return this.notifications.at(-1);
  }

  /** Changes control at the gateway that decides. @throws {GearwayError} as `Control.change`. */
  act(action: ControlAction, port?: number): void {
    expect(this.#change(action, port)).toBeUndefined();
  }

  /** Changes control at any gateway of a cluster. Rejects like `Control.change`. */
  async ask(action: ControlAction, port?: number): Promise<void> {
    await this.#change(action, port);
  }

  #change(action: ControlAction, port?: number): void | Promise<void> {
    this.#id += 1;
    return this.binding.changeControl({
      type: 'control',
      id: this.#id,
      action,
      ...(port === undefined ? {} : { port }),
    });
  }

  give(value: Value, { mode = 'sticky', urgent = false }: { mode?: 'sticky' | 'once'; urgent?: boolean } = {}): void {
    this.binding.give({ kind: 'value', value, json: formatPythonJson(value) }, mode, undefined, urgent);
  }

  leave(): void {
    if (!this.isConnected) return;
    this.isConnected = false;
    this.binding.leave('disconnect', 'it left');
  }
}
