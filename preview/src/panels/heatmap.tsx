// How often values fell between two bounds, over time: one row of cells for each bucket.

import { dateTimeFormat, Field, FieldType, formattedValueToString, getValueFormat, GrafanaTheme2, PanelProps } from '@grafana/data';
import { useTheme2 } from '@grafana/ui';
import * as chromatic from 'd3-scale-chromatic';
import { MouseEvent, useEffect, useRef } from 'react';
import type { Kind } from '.';
import { NoData } from './NoData';
import { AXIS_HEIGHT, TimeAxis } from './TimeAxis';

interface Options {
  cellGap: number;
  cellValues?: { unit?: string };
  color: { scheme: string; steps: number; reverse: boolean };
  filterValues?: { le?: number };
  legend: { show: boolean };
  yAxis: { unit?: string; reverse?: boolean };
}

const LABELS = 64; // pixels for the bounds at the left
const LEGEND = 22;

function Heatmap({ data, width, height, options, fieldConfig, timeRange, timeZone }: PanelProps<Options>) {
  const theme = useTheme2();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [time, ...buckets] = data.series[0]?.fields ?? [];
  const rows = buckets.filter(({ type }) => type === FieldType.number);
  const [from, to] = [timeRange.from.valueOf(), timeRange.to.valueOf()];
  const inner = { width: width - LABELS, height: height - AXIS_HEIGHT - (options.legend.show ? LEGEND : 0) };
  const least = options.filterValues?.le ?? -Infinity;
  const most = Math.max(0, ...rows.flatMap(({ values }) => values));
  const tall = inner.height / Math.max(rows.length, 1);
  const place = (row: number) => (options.yAxis.reverse ? row : rows.length - 1 - row);
  const step = time?.config.interval ?? 60_000;
  const colour = palette(theme, options.color);

  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context) {
      return;
    }
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, inner.width, inner.height);
    const wide = (step / (to - from)) * inner.width;
    rows.forEach(({ values }, row) =>
      values.forEach((value: number, column: number) => {
        if (value > least) {
          context.fillStyle = colour(value / most);
          // A cell covers the time that its rate looks back on.
          const x = ((time.values[column] - from) / (to - from)) * inner.width - wide;
          const gap = Math.min(options.cellGap, wide / 3);
          context.fillRect(x, place(row) * tall, wide - gap, tall - options.cellGap);
        }
      })
    );
  });

  if (!rows.length || !time.values.length) {
    return <NoData fieldConfig={fieldConfig} />;
  }
  const bound = boundOf(options.yAxis.unit);
  const every = Math.ceil(14 / tall);
  const tell = (event: MouseEvent<HTMLCanvasElement>) => {
    const { offsetX, offsetY } = event.nativeEvent;
    const row = place(Math.floor(offsetY / tall));
    const moment = from + (offsetX / inner.width) * (to - from);
    const column = time.values.findIndex((end: number) => end >= moment);
    const value = rows[row]?.values[column];
    const count = value === undefined ? '' : formattedValueToString(getValueFormat(options.cellValues?.unit)(value, 2));
    event.currentTarget.title = count && `${dateTimeFormat(time.values[column], { timeZone })}\nup to ${bound(rows[row])}: ${count}`;
  };
  return (
    <div style={{ position: 'relative', width, height: height - (options.legend.show ? LEGEND : 0) }}>
      <svg width={LABELS} height={inner.height} overflow="visible">
        {rows.map(
          (row, number) =>
            number % every === 0 && (
              <text key={row.name} x={LABELS - 6} y={(place(number) + 0.5) * tall + 4} textAnchor="end" fontSize={12} fill={theme.colors.text.primary}>
                {bound(row)}
              </text>
            )
        )}
      </svg>
      <canvas
        ref={canvas}
        width={inner.width * devicePixelRatio}
        height={inner.height * devicePixelRatio}
        style={{ position: 'absolute', left: LABELS, top: 0, width: inner.width, height: inner.height }}
        onMouseMove={tell}
      />
      <TimeAxis range={timeRange} timeZone={timeZone} left={LABELS} width={inner.width} />
      {options.legend.show && <Scale colour={colour} most={most} unit={options.cellValues?.unit} />}
    </div>
  );
}

function Scale({ colour, most, unit }: { colour: (share: number) => string; most: number; unit?: string }) {
  const ramp = Array.from({ length: 11 }, (_, part) => colour(part / 10)).join(', ');
  return (
    <div style={{ position: 'absolute', top: '100%', left: LABELS, display: 'flex', gap: 8, alignItems: 'center', fontSize: 12 }}>
      0 <div style={{ width: 160, height: 8, background: `linear-gradient(to right, ${ramp})` }} />
      {formattedValueToString(getValueFormat(unit)(most, 2))}
    </div>
  );
}

/** Return the words for the upper bound of a bucket, which its field is named by. */
function boundOf(unit?: string): (row: Field) => string {
  return ({ name }) => {
    const bound = Number(name.replace('+Inf', 'Infinity'));
    return Number.isFinite(bound) ? formattedValueToString(getValueFormat(unit)(bound)) : '∞';
  };
}

/** Return the colour of a share of the greatest value. Little is dark on dark, and light on light. */
function palette(theme: GrafanaTheme2, { scheme, steps, reverse }: Options['color']): (share: number) => string {
  const name = `interpolate${scheme}` as keyof typeof chromatic;
  const interpolate = (chromatic[name] ?? chromatic.interpolateOranges) as (share: number) => string;
  return (share) => {
    const stepped = Math.round(share * (steps - 1)) / (steps - 1);
    return interpolate(theme.isDark !== reverse ? 1 - stepped : stepped);
  };
}

export const heatmap: Kind = {
  component: Heatmap,
  // What belongs to `opacity` colours, and the time of a single tooltip, changes nothing in Grafana either.
  options: [
    'cellGap', 'cellValues.unit', 'color', 'exemplars.color', 'filterValues.le', 'legend.show', 'rowsFrame.layout', 'showValue',
    'tooltip.mode', 'yAxis.axisPlacement', 'yAxis.reverse', 'yAxis.unit',
  ],
  custom: ['scaleDistribution.type', 'hideFrom'],
};
