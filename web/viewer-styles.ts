import { css } from 'lit';

/** The element's look: the tokens of the console, each to be set from outside. */
export const viewerStyles = css`
  :host {
    display: block;
    position: relative;
    overflow: hidden;
    aspect-ratio: 16 / 9;
    background: var(--gearway-stage, #05070a);
    color: #fff;
    font: 400 0.8125rem/1.5 var(--gearway-font, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif);
  }
  :host([hidden]) {
    display: none;
  }
  .stage,
  .picture {
    position: absolute;
    inset: 0;
  }
  canvas {
    display: block;
    width: 100%;
    height: 100%;
    object-fit: contain;
    transition: filter 0.2s;
  }
  .dim canvas {
    filter: grayscale(1) brightness(0.55);
  }
  .chip,
  .age {
    position: absolute;
    left: 12px;
    display: flex;
    align-items: center;
    gap: 8px;
    padding: 2px 8px;
    border-radius: 99px;
    background: #05070ab8;
    font-size: 0.75rem;
    font-variant-numeric: tabular-nums;
  }
  .chip {
    top: 12px;
  }
  .age {
    bottom: 12px;
  }
  .figure {
    min-width: 4.5em;
  }
  .dot {
    width: 8px;
    height: 8px;
    border-radius: 50%;
    background: #8e9bab;
  }
  .dot.live {
    background: #3ddc97;
  }
  .dot.stale,
  .dot.paused,
  .dot.waiting {
    background: #ffb454;
  }
  .dot.ended,
  .dot.refused {
    background: #ff6b6b;
  }
  .notice {
    position: absolute;
    inset: 0;
    display: flex;
    flex-direction: column;
    align-items: center;
    justify-content: center;
    gap: 4px;
    padding: 24px;
    text-align: center;
    text-wrap: balance;
    overflow-wrap: anywhere;
  }
  .notice strong {
    font-size: 1.125rem;
    font-weight: 600;
  }
  .notice span {
    max-width: 48ch;
    color: #b9c3cf;
  }
  .notice span::first-letter {
    text-transform: uppercase;
  }
  .announcement {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
  }
  @media (prefers-reduced-motion: reduce) {
    canvas {
      transition: none;
    }
  }
`;
