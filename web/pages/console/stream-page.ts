import { html, nothing, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import { closeCode } from '../../../shared/close-code.ts';
import type { ClientStatus, StreamChange, StreamStatus } from '../../../shared/status.ts';
import type { GearwayViewer } from '../../viewer/gearway-viewer.ts';
import { ConfirmDialog } from '../shared/confirm-dialog.ts';
import { throttled } from '../shared/throttled.ts';
import { activityPanel } from './activity-panel.ts';
import { AddClient } from './add-client.ts';
import { ClientRates } from './client-rates.ts';
import type { OwnClient } from './client-row.ts';
import { clientsPanel } from './clients-panel.ts';
import { connectPanel, gatewayAddress } from './connect-panel.ts';
import { controlStrip } from './control-strip.ts';
import { EnlargedImage } from './enlarged-image.ts';
import { Fold } from './fold.ts';
import type { GatewayFeed } from './gateway-feed.ts';
import type { LogIn } from './log-in.ts';
import { type FrameMessage, messagePanel } from './message-panel.ts';
import { picturePanel } from './picture-panel.ts';
import { portsPanel } from './ports-panel.ts';
import { QrCode } from './qr-code.ts';
import { ReturnImages } from './return-images.ts';
import { ReturnPanel } from './return-panel.ts';
import { ShareDialog } from './share-dialog.ts';
import { sourcePanel } from './source-panel.ts';
import type { StreamDialog } from './stream-dialog.ts';

/** Events of the viewer after which the page is rendered again. */
const EVENTS = ['gearway-state', 'gearway-open', 'gearway-close', 'gearway-control', 'gearway-array'] as const;

/** Minimum interval between updates of the message. */
const MESSAGE_MS = 100;

/** The console of one stream: picture, return data, clients, source. Exists until the page shows another stream. */
export class StreamPage {
  readonly name: string;
  readonly #feed: GatewayFeed;
  readonly #logIn: LogIn;
  readonly #streamDialog: StreamDialog;
  readonly #onChange: () => void;
  readonly #viewer: GearwayViewer = document.createElement('gearway-viewer');
  readonly #rates = new ClientRates();
  readonly #returnPanel: ReturnPanel;
  readonly #returnImages: ReturnImages;
  readonly #enlargedImage: EnlargedImage;
  readonly #addClient: AddClient;
  readonly #confirm = new ConfirmDialog();
  readonly #shareDialog: ShareDialog;
  readonly #ports: Fold;
  readonly #connect: Fold;
  readonly #qrCode: QrCode;
  #message: FrameMessage | null = null;
  #problem: string | null = null;

  constructor(name: string, feed: GatewayFeed, logIn: LogIn, streamDialog: StreamDialog, onChange: () => void) {
    this.name = name;
    this.#feed = feed;
    this.#logIn = logIn;
    this.#streamDialog = streamDialog;
    this.#onChange = onChange;
    this.#viewer.token = feed.api.token;
    this.#viewer.name = 'Console';
    this.#viewer.controls = true;
    // These parts are shown as soon as the server sends data for them.
    this.#viewer.overlays = '';
    this.#viewer.colorBar = true;
    this.#viewer.src = `streams/${encodeURIComponent(name)}`;
    this.#returnPanel = new ReturnPanel(this.#viewer, name, () => gatewayAddress(feed.gateway), onChange);
    this.#returnImages = new ReturnImages(feed.api, name, onChange);
    this.#enlargedImage = new EnlargedImage(this.#returnImages);
    this.#shareDialog = new ShareDialog(feed.api);
    this.#ports = new Fold('Web ports', onChange);
    this.#connect = new Fold('Connect', onChange);
    this.#qrCode = new QrCode(onChange);
    this.#addClient = new AddClient(async (address, isPersisted) => {
      const reason = await feed.api.addClient(name, address, isPersisted);
      await feed.poll();
      return reason;
    }, onChange);
    const updateSoon = throttled(onChange, MESSAGE_MS);
    this.#viewer.addEventListener('gearway-frame', ({ detail }) => {
      this.#message = detail;
      updateSoon();
    });
    this.#viewer.addEventListener('gearway-refused', ({ detail }) => {
      // The session may have ended, for instance by a log-out in another tab.
      if (detail.code === closeCode.notAllowed) runInBackground(Promise.all([logIn.refresh(), feed.refresh()]));
    });
    for (const type of EVENTS) {
      this.#viewer.addEventListener(type, () => onChange());
    }
  }

  /** Why the last action failed; null if it succeeded. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Called when another user has logged in, or the user has logged out. */
  changeUser(): void {
    const { token } = this.#feed.api;
    if (this.#viewer.token === token) this.#viewer.reconnect();
    else this.#viewer.token = token;
    this.#returnPanel.changeUser();
  }

  /** Called when the feed has new data. */
  receive(): void {
    const clients = this.#status()?.clients ?? [];
    this.#rates.add(clients);
    this.#returnImages.update(clients);
  }

  /** Called when the page shows another stream, or all streams. */
  close(): void {
    this.#returnPanel.close();
    this.#confirm.remove();
    this.#shareDialog.close();
    this.#enlargedImage.remove();
    this.#returnImages.update([]);
  }

  forgetProblem(): void {
    this.#problem = null;
    this.#onChange();
  }

  render(): TemplateResult {
    const status = this.#status();
    const mayPublish = this.#feed.hasRight('publish');
    return html`<main class="stream">
      ${picturePanel(this.#viewer, status, mayPublish, this.#onChange)}
      <div class="side">${this.#returnPanel.render(this.#mayReturn(), this.#control(status))}${messagePanel(this.#message)}</div>
      <div class="column">${this.#clients(status)}${activityPanel(this.#feed.events, this.name)}</div>
      <div class="column">
        ${sourcePanel(status, mayPublish, this.#streamActions())}${portsPanel(status, this.#ports)}
        ${connectPanel({ status, stream: this.name, gateway: this.#feed.gateway, fold: this.#connect, qrCode: this.#qrCode })}
      </div>
    </main>`;
  }

  /** Updates dialogs and images, which are not part of the page's content. */
  updateDialogs(): void {
    this.#enlargedImage.update(this.#status()?.clients ?? []);
  }

  #status(): StreamStatus | null {
    return this.#feed.stream(this.name);
  }

  #clients(status: StreamStatus | null): TemplateResult {
    const mayDisconnect = this.#feed.hasRight('administer');
    const disconnect = (client: ClientStatus): void => runInBackground(this.#disconnect(client));
    return clientsPanel(status, {
      stream: this.#feed.state.kind === 'gone' ? null : status,
      rates: this.#rates,
      own: this.#own(),
      mayDisconnect,
      imageOf: (id) => this.#returnImages.of(id),
      form: this.#administratorForm(mayDisconnect),
      disconnect,
      enlarge: (client) => this.#enlarge(client),
    });
  }

  #mayReturn(): boolean | null {
    return this.#feed.rights === null ? null : this.#feed.hasRight('return');
  }

  #control(status: StreamStatus | null): TemplateResult | typeof nothing {
    const takeBack = this.#feed.hasRight('administer') ? () => runInBackground(this.#takeControlBack()) : null;
    return controlStrip(status, this.#viewer.port, takeBack);
  }

  async #takeControlBack(): Promise<void> {
    const { name, port } = this.#status()?.control ?? {};
    const isConfirmed = await this.#confirm.ask({
      title: `Take control back from ${name || 'port'} ${port ?? ''}?`,
      text: 'Its return data ends immediately, and then nobody has control. An emergency stop remains in effect.',
      action: 'Take back',
    });
    if (!isConfirmed) return;
    this.#problem = await this.#feed.api.releaseControl(this.name);
    await this.#feed.poll();
  }

  #streamActions(): TemplateResult | typeof nothing {
    if (!this.#feed.hasRight('administer')) return nothing;
    const act = (action: () => Promise<void>) => (): void => runInBackground(action());
    const isOnly = this.#feed.streams.length === 1;
    return html`<div class="actions">
      <button class="quiet" @click=${act(() => this.#shareDialog.open(this.name))}>Share</button>
      <button class="quiet" @click=${act(async () => this.#edit())}>Edit stream</button>
      ${
        isOnly
          ? html`<button class="quiet" @click=${act(async () => this.#add())}>Add stream</button>`
          : html`<button class="quiet" @click=${act(async () => this.#remove())}>Remove stream</button>`
      }
    </div>`;
  }

  async #add(): Promise<void> {
    this.#showProblems(await this.#streamDialog.add());
  }

  async #edit(): Promise<void> {
    this.#showProblems(await this.#streamDialog.edit(this.name));
  }

  async #remove(): Promise<void> {
    if ((await this.#streamDialog.remove(this.name)) !== null) location.assign('./');
  }

  #showProblems(result: StreamChange | string | null): void {
    const problems = typeof result === 'string' ? result : (result?.problems ?? []).join('; ');
    this.#problem = problems === '' ? null : problems;
    this.#onChange();
  }

  #own(): OwnClient | null {
    const { port, stats } = this.#viewer;
    return port === null ? null : { port, latencyMs: stats.delayMs };
  }

  #administratorForm(mayAdminister: boolean): TemplateResult {
    if (this.#feed.rights !== null && !mayAdminister) return this.#logIn.renderKeyForm();
    return this.#addClient.render(
      mayAdminister ? null : 'Available once the gateway answers.',
      this.#feed.gateway?.configuration?.file ?? null,
    );
  }

  async #disconnect(client: ClientStatus): Promise<void> {
    const isNative = client.kind === 'native';
    const isConfirmed = await this.#confirm.ask(
      isNative
        ? {
            title: `Remove ${client.address}?`,
            text: 'The gateway ends the NetGear program that is connected there, and no longer connects to it.',
            action: 'Remove',
          }
        : {
            title: `Disconnect ${client.address}?`,
            text: 'Its page reports the disconnection, and does not connect again until it is reloaded.',
            action: 'Disconnect',
          },
    );
    if (!isConfirmed) return;
    const next = neighbour(client.id);
    this.#problem = await this.#feed.api.disconnect(this.name, client.id);
    await this.#feed.poll();
    // The focused button has disappeared with its client.
    if (document.activeElement === document.body) focusClient(next);
  }

  #enlarge(client: ClientStatus): void {
    this.#enlargedImage.open(client);
    this.#returnImages.update(this.#status()?.clients ?? []);
    this.#onChange();
  }
}

/** The client below this one in the table, or above the last one; null if there is no other. */
function neighbour(id: string): string | null {
  const row = document.querySelector(`[data-client="${CSS.escape(id)}"]`);
  const next = row?.nextElementSibling ?? row?.previousElementSibling;
  return next?.getAttribute('data-client') ?? null;
}

/** Focuses the button of a client, or the panel if there is none. */
function focusClient(id: string | null): void {
  const button =
    id === null ? null : document.querySelector<HTMLElement>(`[data-client="${CSS.escape(id)}"] .action button`);
  (button ?? document.querySelector<HTMLElement>('.clients .field'))?.focus();
}
