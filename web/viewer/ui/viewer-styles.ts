import { css } from 'lit';

/** Styles of the element. Colours and font can be set by custom properties. */
export const viewerStyles = css`
  :host {
    display: block;
    position: relative;
    overflow: hidden;
    aspect-ratio: 16 / 9;
    background: var(--gearway-stage, #05070a);
    color: #fff;
    font: 400 0.8125rem/1.5
      var(--gearway-font, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif);
  }
  :host([hidden]) {
    display: none;
  }
  :host(:fullscreen) {
    aspect-ratio: auto;
  }
  .stage,
  .picture,
  .poster {
    position: absolute;
    inset: 0;
  }
  .stage {
    container-type: size;
  }
  .stage:focus-visible {
    outline: 2px solid var(--gearway-accent, #4db8ff);
    outline-offset: -2px;
  }
  :focus-visible {
    outline: 2px solid var(--gearway-accent, #4db8ff);
    outline-offset: 1px;
  }
  .picture {
    container-type: size;
    overflow: hidden;
  }
  canvas {
    position: absolute;
    top: 50%;
    left: 50%;
    display: block;
    width: var(--width, 100cqw);
    height: var(--height, 100cqh);
    object-fit: var(--fit, contain);
    transform: translate(-50%, -50%) var(--placement, scale(1));
    transition: filter 0.2s;
  }
  .dim canvas {
    filter: grayscale(1) brightness(0.55);
  }
  .covered canvas {
    filter: grayscale(1) brightness(0.25);
  }
  .poster,
  .poster img,
  .poster ::slotted(*) {
    width: 100%;
    height: 100%;
    object-fit: contain;
  }
  .poster {
    filter: brightness(0.55);
  }
  .chip {
    position: absolute;
    top: 12px;
    left: 12px;
    display: flex;
    align-items: center;
    flex-wrap: wrap;
    gap: 0 8px;
    max-width: calc(100% - 40px);
    padding: 2px 10px;
    border-radius: 12px;
    background: #05070ab8;
    font-size: 0.75rem;
    font-variant-numeric: tabular-nums;
    pointer-events: none;
  }
  .chip [title] {
    pointer-events: auto;
  }
  .figure {
    min-width: 4.5em;
  }
  .why {
    color: #d3dae2;
  }
  .why::first-letter {
    text-transform: uppercase;
  }
  .dot {
    flex: none;
    width: 8px;
    height: 8px;
    border-radius: 50%;
    background: #8e9bab;
  }
  .dot.live {
    background: #3ddc97;
  }
  .dot.slow,
  .dot.stale,
  .dot.paused,
  .dot.waiting {
    background: #ffb454;
  }
  .dot.ended,
  .dot.unsupported,
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
    padding: 40px 24px;
    text-align: center;
    text-wrap: balance;
    overflow-wrap: anywhere;
    pointer-events: none;
  }
  .notice strong {
    font-size: 1.125rem;
    font-weight: 600;
  }
  .notice span {
    max-width: 48ch;
    color: #d3dae2;
  }
  .notice span::first-letter {
    text-transform: uppercase;
  }
  /* In a small box, only the beginning of the reason fits above the buttons. */
  @container (max-height: 200px) {
    .notice span {
      display: -webkit-box;
      overflow: hidden;
      -webkit-box-orient: vertical;
      -webkit-line-clamp: 3;
    }
    .notice span:has(+ button) {
      -webkit-line-clamp: 2;
    }
  }
  .notice button {
    margin-top: 12px;
    padding: 7px 16px;
    border: 0;
    border-radius: 6px;
    background: var(--gearway-accent, #4db8ff);
    color: var(--gearway-on-accent, #04121d);
    font: inherit;
    font-size: 0.8125rem;
    font-weight: 600;
    cursor: pointer;
    pointer-events: auto;
  }
  @media (pointer: coarse) {
    .notice button {
      min-height: 44px;
    }
  }
  .notice ::slotted(*) {
    pointer-events: auto;
  }
  .overlay {
    position: absolute;
    inset: 0;
    pointer-events: none;
  }
  .on-picture {
    position: absolute;
    top: 50%;
    left: 50%;
    pointer-events: none;
  }
  .on-picture[hidden] {
    display: none;
  }
  .on-picture ::slotted(*) {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
  }
  .announcement {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
  }
  @media (prefers-contrast: more) {
    .chip {
      background: #000;
      border: 1px solid #fff;
    }
    .notice span {
      color: #fff;
    }
  }
  @media (forced-colors: active) {
    .dot {
      forced-color-adjust: none;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    canvas {
      transition: none;
    }
  }
`;
