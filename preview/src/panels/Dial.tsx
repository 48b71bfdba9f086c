// A value on an arc between its two ends, with the thresholds along a thin outer arc. Grafana's own gauge is not exported.
// Used by `values`.

import { DisplayValue, FieldConfig, formattedValueToString } from '@grafana/data';
import { measureText, useTheme2 } from '@grafana/ui';

interface Props {
  value: DisplayValue;
  field: FieldConfig;
  title: string;
  width: number;
  height: number;
  /** Whether thresholds are drawn. */
  markers: boolean;
}

const SWEEP = (240 * Math.PI) / 180;
const START = -Math.PI / 2 - SWEEP / 2;
/** How far the lower ends of the arc lie below its centre, in radii. */
const DEPTH = Math.sin(START + SWEEP);

export function Dial({ value, field, title, width, height, markers }: Props) {
  const theme = useTheme2();
  const words = title ? 20 : 0;
  const radius = Math.max(1, Math.min(width / 2, (height - words) / (1 + DEPTH)) - 4);
  const thick = radius / 5;
  const [x, y] = [width / 2, radius + 4];
  const { min = 0, max = 1 } = field;
  const share = (number: number) => Math.min(Math.max((number - min!) / (max! - min!), 0), 1);
  const arc = (from: number, to: number, r: number, stroke: string, strokeWidth: number) => {
    const point = (part: number) => [x + r * Math.cos(START + SWEEP * part), y + r * Math.sin(START + SWEEP * part)].join(' ');
    const large = (to - from) * SWEEP > Math.PI ? 1 : 0;
    return to > from && <path key={`${r} ${from}`} d={`M ${point(from)} A ${r} ${r} 0 ${large} 1 ${point(to)}`} {...{ stroke, strokeWidth }} fill="none" />;
  };
  const steps = field.thresholds?.steps ?? [];
  const text = formattedValueToString(value);
  return (
    <svg width={width} height={height} role="img" aria-label={`${title} ${text}`}>
      {arc(0, 1, radius - thick / 2, theme.colors.background.secondary, thick)}
      {Number.isFinite(value.numeric) && arc(0, share(value.numeric), radius - thick / 2, value.color ?? theme.colors.text.primary, thick)}
      {markers &&
        steps.map(({ value: from, color }, place) =>
          arc(share(from ?? -Infinity), share(steps[place + 1]?.value ?? Infinity), radius + 2, theme.visualization.getColorByName(color), 3)
        )}
      <text x={x} y={y} textAnchor="middle" dominantBaseline="middle" fontSize={Math.min(radius / 2, (2.4 * radius) / text.length)} fill={value.color}>
        {text}
      </text>
      {title && (
        <text x={x} y={height - 4} textAnchor="middle" fontSize={12} fill={theme.colors.text.primary}>
          {cut(title, width)}
        </text>
      )}
    </svg>
  );
}

/** Return as much of a text as there is room for. */
function cut(text: string, width: number): string {
  const share = width / measureText(text, 12).width;
  return share >= 1 ? text : `${text.slice(0, Math.max(1, Math.floor(text.length * share) - 2))}…`;
}
