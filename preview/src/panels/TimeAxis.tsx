// The hours below a panel that is not a chart of Grafana's. Used by `heatmap` and `states`.

import { dateTimeFormat, TimeRange } from '@grafana/data';
import { useTheme2 } from '@grafana/ui';

export const AXIS_HEIGHT = 18;
const APART = 90; // pixels from one label to the next

export function TimeAxis({ range, timeZone, left, width }: { range: TimeRange; timeZone: string; left: number; width: number }) {
  const theme = useTheme2();
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const format = to - from > 86_400_000 ? 'MM-DD HH:mm' : 'HH:mm';
  const step = rounded(((to - from) * APART) / Math.max(width, 1));
  const first = Math.ceil(from / step) * step;
  const moments = Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, place) => first + place * step);
  return (
    <svg style={{ position: 'absolute', left, bottom: 0 }} width={width} height={AXIS_HEIGHT} overflow="visible">
      {moments.map((moment) => (
        <text
          key={moment}
          x={((moment - from) / (to - from)) * width}
          y={AXIS_HEIGHT - 4}
          textAnchor="middle"
          fontSize={12}
          fill={theme.colors.text.primary}
        >
          {dateTimeFormat(moment, { timeZone, format })}
        </text>
      ))}
    </svg>
  );
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440].map((minutes) => minutes * 60_000);

function rounded(least: number): number {
  return STEPS.find((step) => step >= least) ?? Math.ceil(least / 86_400_000) * 86_400_000;
}
