// Answers of Prometheus as Grafana's data frames, in the three forms that its own data source makes of them:
// one frame for each series, one table for each query, one frame of buckets for a heatmap. Called by `prometheus`.

import { DataFrame, DataFrameType, Field, FieldType, Labels } from '@grafana/data';

/** One series of an answer: `value` of an instant query, `values` of a range query; times in seconds. */
export interface Series {
  metric: Labels;
  value?: [number, string];
  values?: Array<[number, string]>;
}

/** What came of one query. */
export interface Answer {
  refId: string;
  format: string;
  legend: string;
  expr: string;
  stepMs: number;
  series: Series[];
}

/** Return the frames of a panel's answers. */
export function framesOf(answers: Answer[]): DataFrame[] {
  const tables = answers.filter(({ format }) => format === 'table').length;
  return answers.flatMap((answer) => {
    switch (answer.format) {
      case 'table':
        return answer.series.length ? [table(answer, tables > 1 ? `Value #${answer.refId}` : 'Value')] : [];
      case 'heatmap':
        return answer.series.length ? [heatmap(answer)] : [];
      default:
        return answer.series.map((series) => course(answer, series));
    }
  });
}

/** Return `{{label}}` filled in; without a pattern the name and the labels of the series, as Prometheus writes them. */
export function legend(pattern: string, labels: Labels, expr: string): string {
  if (pattern && pattern !== '__auto') {
    return pattern.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label: string) => labels[label] ?? '');
  }
  const { __name__: name = '', ...rest } = labels;
  const pairs = Object.entries(rest).map(([label, value]) => `${label}="${value}"`);
  return name + (pairs.length ? `{${pairs.join(', ')}}` : '') || expr;
}

function course({ refId, legend: pattern, expr, stepMs }: Answer, series: Series): DataFrame {
  const points = pointsOf(series);
  const name = legend(pattern, series.metric, expr);
  return frame(refId, DataFrameType.TimeSeriesMulti, [
    // The step tells the chart where a gap begins.
    { ...field('Time', FieldType.time, points.map(([time]) => time * 1000)), config: { interval: stepMs } },
    {
      ...field('Value', FieldType.number, points.map(([, value]) => number(value))),
      labels: series.metric,
      config: { displayNameFromDS: name },
    },
  ]);
}

function table({ refId, series }: Answer, valueName: string): DataFrame {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric).sort()))];
  const rows = series.flatMap((one) => pointsOf(one).map(([time, value]) => ({ metric: one.metric, time, value })));
  return frame(refId, undefined, [
    field('Time', FieldType.time, rows.map(({ time }) => time * 1000)),
    ...labels.map((label) => field(label, FieldType.string, rows.map(({ metric }) => metric[label] ?? ''))),
    field(valueName, FieldType.number, rows.map(({ value }) => number(value))),
  ]);
}

function heatmap({ refId, series, stepMs }: Answer): DataFrame {
  const buckets = series
    .map((one) => ({ le: one.metric.le ?? '', counts: new Map(pointsOf(one).map(([time, value]) => [time, number(value)])) }))
    .sort((one, other) => number(one.le) - number(other.le));
  const times = [...new Set(buckets.flatMap(({ counts }) => [...counts.keys()]))].sort((one, other) => one - other);
  // Buckets of a histogram count everything up to their bound; cells of a heatmap what lies between two bounds.
  const between = (place: number, time: number) => {
    const below = place ? buckets[place - 1].counts.get(time) ?? 0 : 0;
    const difference = (buckets[place].counts.get(time) ?? 0) - below;
    return difference < 1e-9 ? 0 : difference;
  };
  return frame(refId, DataFrameType.HeatmapRows, [
    { ...field('Time', FieldType.time, times.map((time) => time * 1000)), config: { interval: stepMs } },
    ...buckets.map(({ le }, place) => field(le, FieldType.number, times.map((time) => between(place, time)))),
  ]);
}

function pointsOf({ value, values }: Series): Array<[number, string]> {
  return values ?? (value ? [value] : []);
}

function number(text: string): number {
  return text.endsWith('Inf') ? (text.startsWith('-') ? -Infinity : Infinity) : Number.parseFloat(text);
}

function field<T>(name: string, type: FieldType, values: T[]): Field<T> {
  return { name, type, values, config: {} };
}

function frame(refId: string, type: DataFrameType | undefined, fields: Field[]): DataFrame {
  return { refId, fields, length: fields[0].values.length, meta: type && { type } };
}
