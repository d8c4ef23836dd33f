import { svg } from 'lit';
import { icon } from '../../element/icon.ts';

export const icons = {
  stop: icon(svg`<rect x="6" y="6" width="12" height="12" rx="2" fill="currentColor" />`),
  camera: icon(svg`<rect x="2.5" y="6" width="12" height="12" rx="2.5" /><path d="M14.5 10.5l7-3.5v10l-7-3.5" />`),
  screen: icon(svg`<rect x="3" y="4" width="18" height="12" rx="2" /><path d="M8 20h8M12 16v4" />`),
  turn: icon(svg`<path d="M3 8h4l2-3h6l2 3h4v11H3z" />
    <path d="M8.8 12.5a3.4 3.4 0 0 1 6-1.2M15.2 14.5a3.4 3.4 0 0 1-6 1.2" stroke-width="1.6" />
    <path d="M15.3 9.6v2h-2M8.7 17.4v-2h2" stroke-width="1.6" />`),
} as const;
