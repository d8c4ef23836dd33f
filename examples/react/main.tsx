// npx vite examples/react        (the gateway: npm start -- --allow-origin http://localhost:5173)
import 'gearway/react';
import type { GearwayViewer, Value, ViewerState } from 'gearway/react';
import { useMemo, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';

const gateway = new URLSearchParams(location.search).get('gateway') ?? 'http://127.0.0.1:8080';

function App() {
  const viewer = useRef<GearwayViewer>(null);
  const [state, setState] = useState<ViewerState>('connecting');
  const [frame, setFrame] = useState<{ sequence: number; message: Value }>();
  const [speed, setSpeed] = useState(0);
  // The same object until the speed changes: otherwise, each render would return the value again.
  const returnData = useMemo(() => ({ speed }), [speed]);
  return (
    <main>
      <gearway-viewer
        ref={viewer}
        src={`${gateway}/streams/main`}
        name="React example"
        controls
        returnData={returnData} // in effect until it is replaced
        ongearway-state={({ detail }) => setState(detail.state)}
        ongearway-frame={({ detail }) => setFrame(detail)}
      />
      <p>
        <label>
          Speed <input type="range" max="10" value={speed} onChange={({ target }) => setSpeed(Number(target.value))} />{' '}
          {speed}
        </label>
        <button
          onClick={() => viewer.current?.send({ gripper: 'close' }).catch((error: Error) => alert(error.message))}
        >
          Close the gripper
        </button>
        <output>
          {state}, frame {frame?.sequence ?? '–'}
        </output>
      </p>
    </main>
  );
}

createRoot(document.querySelector('#root')!).render(<App />);
