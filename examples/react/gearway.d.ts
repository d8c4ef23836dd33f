import type { GearwayViewer, GearwayViewerEventMap } from 'gearway/viewer';
import type { DetailedHTMLProps, HTMLAttributes } from 'react';

type Settable =
  | 'src'
  | 'requestedPort'
  | 'spectate'
  | 'noWorker'
  | 'name'
  | 'poster'
  | 'controls'
  | 'showStats'
  | 'fit'
  | 'rotate'
  | 'mirror'
  | 'range'
  | 'colormap'
  | 'invert'
  | 'noData'
  | 'nanColor'
  | 'belowColor'
  | 'aboveColor'
  | 'channelOrder'
  | 'raw'
  | 'unit'
  | 'colorBar'
  | 'inspector'
  | 'token'
  | 'returnData';
type Listeners = {
  [Name in keyof GearwayViewerEventMap as `on${Name}`]?: (event: GearwayViewerEventMap[Name]) => void;
};

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'gearway-viewer': DetailedHTMLProps<HTMLAttributes<GearwayViewer>, GearwayViewer> &
        Partial<Pick<GearwayViewer, Settable>> &
        Listeners;
    }
  }
}
