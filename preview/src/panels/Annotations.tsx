// Events as dashed lines across a chart, with a mark below that tells more when pointed at. Used by `timeseries`.

import { DataFrame, DataFrameView } from '@grafana/data';
import { EventsCanvas, UPlotConfigBuilder, useTheme2 } from '@grafana/ui';
import { useLayoutEffect, useRef } from 'react';
import type uPlot from 'uplot';

interface Event {
  time: number;
  timeEnd?: number;
  isRegion?: boolean;
  title?: string;
  text?: string;
  color?: string;
}

const MARK = 5; // pixels

export function Annotations({ config, frames }: { config: UPlotConfigBuilder; frames: DataFrame[] }) {
  const theme = useTheme2();
  const latest = useRef(frames);
  const plot = useRef<uPlot>(undefined);
  latest.current = frames;
  useLayoutEffect(() => {
    config.addHook('init', (u) => {
      plot.current = u;
    });
    config.addHook('draw', (u) => latest.current.forEach((frame) => eventsOf(frame).forEach((event) => draw(u, event))));
  }, [config]);
  const mark = (event: Event) => ({
    width: 0,
    height: 0,
    border: `${MARK}px solid transparent`,
    borderTopWidth: 0,
    borderBottomColor: event.color ?? theme.colors.text.primary,
    transform: 'translateX(-50%)',
  });
  return (
    <EventsCanvas
      id="annotations"
      config={config}
      events={frames}
      renderEventMarker={(frame, row) => {
        const event = eventsOf(frame)[row];
        return <div title={`${event.title ?? ''}\n${event.text ?? ''}`.trim()} style={mark(event)} />;
      }}
      mapEventToXYCoords={(frame, row) => {
        const u = plot.current;
        const x = u?.valToPos(eventsOf(frame)[row].time, 'x');
        return u && x !== undefined && x >= 0 && x <= u.over.clientWidth ? { x, y: u.over.clientHeight } : undefined;
      }}
    />
  );
}

function eventsOf(frame: DataFrame): Event[] {
  return new DataFrameView<Event>(frame).toArray();
}

function draw(u: uPlot, { time, timeEnd, isRegion, color = 'gray' }: Event): void {
  const { left, top, width, height } = u.bbox;
  const at = (moment: number) => Math.min(Math.max(u.valToPos(moment, 'x', true), left), left + width);
  const [from, to] = [at(time), at(timeEnd ?? time)];
  if (to <= left || from >= left + width) {
    return;
  }
  u.ctx.save();
  u.ctx.strokeStyle = u.ctx.fillStyle = color;
  u.ctx.setLineDash([4, 4]);
  u.ctx.beginPath();
  for (const x of isRegion ? [from, to] : [from]) {
    u.ctx.moveTo(x, top);
    u.ctx.lineTo(x, top + height);
  }
  u.ctx.stroke();
  if (isRegion) {
    u.ctx.globalAlpha = 0.1;
    u.ctx.fillRect(from, top, to - from, height);
  }
  u.ctx.restore();
}
