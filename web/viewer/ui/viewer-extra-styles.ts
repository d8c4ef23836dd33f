import { css } from 'lit';

/** Styles of control bar and statistics. */
export const extraStyles = css`
  .controls {
    position: absolute;
    inset: auto 0 0 0;
    display: flex;
    align-items: center;
    gap: 4px;
    padding: 24px 12px 8px;
    background: linear-gradient(transparent, #05070ad9);
    opacity: 0;
    transition: opacity 0.15s;
    /* The picture can be touched between the buttons. */
    pointer-events: none;
  }
  .controls :is(button, .identity) {
    pointer-events: auto;
  }
  .stage:hover .controls,
  .stage:focus-within .controls,
  .stage.calls .controls {
    opacity: 1;
  }
  .controls button {
    display: grid;
    place-items: center;
    width: 32px;
    height: 32px;
    padding: 0;
    border: 0;
    border-radius: 6px;
    background: none;
    color: inherit;
    cursor: pointer;
  }
  .controls button:hover {
    background: #ffffff24;
  }
  .controls button[aria-pressed='true'] {
    color: var(--gearway-accent, #4db8ff);
  }
  .controls button:disabled {
    opacity: 0.4;
    cursor: default;
  }
  .identity {
    margin-left: 4px;
    font-size: 0.75rem;
    white-space: nowrap;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .grow {
    flex: 1;
  }
  .picture.interactive {
    touch-action: pan-x pan-y;
  }
  .picture.zoomed {
    touch-action: none;
    cursor: grab;
  }
  .picture.zoomed:active {
    cursor: grabbing;
  }
  .picture.pixelated canvas {
    image-rendering: pixelated;
  }
  .stats {
    position: absolute;
    top: 44px;
    left: 12px;
    max-width: calc(100% - 24px);
    max-height: calc(100% - 100px);
    overflow: auto;
    padding: 8px 12px;
    border-radius: 6px;
    background: #05070ad9;
    font-size: 0.75rem;
    font-variant-numeric: tabular-nums;
  }
  .stats table {
    border-collapse: collapse;
  }
  .stats th {
    padding: 1px 16px 1px 0;
    font-weight: 400;
    color: #b9c3cf;
    text-align: left;
    white-space: nowrap;
  }
  .stats td {
    min-width: 8ch;
    padding: 1px 0;
    text-align: right;
    white-space: nowrap;
  }
  /* The quality, which may be a whole sentence. */
  .stats tr:last-child td:not(.plot) {
    max-width: 22ch;
    white-space: normal;
  }
  .stats .plot {
    width: 72px;
    min-width: 72px;
    padding-left: 12px;
  }
  .stats .spark {
    display: block;
    width: 72px;
    height: 14px;
  }
  .stats polyline {
    fill: none;
    stroke: var(--gearway-accent, #4db8ff);
    stroke-width: 1.5;
    vector-effect: non-scaling-stroke;
  }
  .hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
  }
  @container (max-width: 420px) {
    .stats .plot {
      display: none;
    }
  }
  @media (pointer: coarse) {
    .controls {
      gap: 0;
      padding-inline: 4px;
    }
    .controls button {
      width: 44px;
      height: 44px;
    }
  }
  /* In a small box, less important parts of the bar are omitted. */
  @container (max-width: 400px) {
    .identity {
      display: none;
    }
  }
  @container (max-width: 320px) {
    .controls .minor {
      display: none;
    }
  }
  @media (hover: none) {
    .controls {
      opacity: 1;
    }
  }
  @media (prefers-contrast: more) {
    .controls,
    .stats {
      background: #000;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .controls {
      transition: none;
    }
  }
`;
