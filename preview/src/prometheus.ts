// The data source: what Grafana's Prometheus plugin does with a query, a variable and an annotation. That plugin is not
// published as a package. Prometheus is asked under the page's own address; `atlas-ops preview` passes it on.

import {
  AnnotationEvent,
  AnnotationQuery,
  AnnotationSupport,
  DataFrame,
  DataQueryRequest,
  DataQueryResponse,
  DataSourceApi,
  DataSourceInstanceSettings,
  MetricFindValue,
  PluginType,
  rangeUtil,
  ScopedVars,
  TimeRange,
} from '@grafana/data';
import { getTemplateSrv } from '@grafana/runtime';
import { DataQuery } from '@grafana/schema';
import { of } from 'rxjs';
import { Answer, framesOf, legend, Series } from './frames';

export interface Query extends DataQuery {
  expr: string;
  format?: string;
  instant?: boolean;
  interval?: string;
  legendFormat?: string;
}

/** An annotation as dashboards have it. */
interface Annotation extends AnnotationQuery<Query> {
  expr?: string;
  step?: string;
  titleFormat?: string;
  textFormat?: string;
}

const LABEL_VALUES = /^label_values\((?:(?<metric>.+),\s*)?(?<label>[a-zA-Z_]\w*)\s*\)$/s;

export function settings(): DataSourceInstanceSettings {
  const info = { author: { name: '' }, description: '', links: [], logos: { small: '', large: '' }, screenshots: [], updated: '', version: '' };
  const meta = { id: 'prometheus', name: 'Prometheus', type: PluginType.datasource, info, module: '', baseUrl: '', metrics: true };
  return { id: 1, uid: 'preview', type: 'prometheus', name: 'Prometheus', meta, jsonData: {}, access: 'proxy', readOnly: true };
}

export class Prometheus extends DataSourceApi<Query> {
  constructor(scrapeInterval: string) {
    super(settings());
    this.interval = scrapeInterval;
    this.annotations = annotations(scrapeInterval);
  }

  async query(request: DataQueryRequest<Query>): Promise<DataQueryResponse> {
    const asked = request.targets.filter(({ hide, expr }) => !hide && expr);
    return { data: framesOf(await Promise.all(asked.map((target) => this.answer(target, request)))) };
  }

  async metricFindQuery(query: string | { query: string }, options?: { range?: TimeRange; scopedVars?: ScopedVars }): Promise<MetricFindValue[]> {
    const text = typeof query === 'string' ? query : query.query;
    const found = LABEL_VALUES.exec(getTemplateSrv().replace(text, options?.scopedVars, escaped).trim())?.groups;
    if (!found) {
      throw new Error(`not shown in the preview: a variable of ${text}; expected label_values(metric, label)`);
    }
    const form: Record<string, string> = found.metric ? { 'match[]': found.metric } : {};
    if (options?.range) {
      form.start = String(options.range.from.unix());
      form.end = String(options.range.to.unix());
    }
    const values = await ask<string[]>(`label/${found.label}/values?${new URLSearchParams(form)}`);
    return values.map((value) => ({ text: value }));
  }

  async testDatasource() {
    return { status: 'success', message: '' };
  }

  private async answer(target: Query, request: DataQueryRequest<Query>): Promise<Answer> {
    const scrapeMs = rangeUtil.intervalToMs(this.interval!);
    const least = target.interval ? rangeUtil.intervalToMs(target.interval) : scrapeMs;
    const stepMs = Math.max(request.intervalMs, least);
    const expr = getTemplateSrv().replace(target.expr, { ...request.scopedVars, ...windows(stepMs, scrapeMs, request.range) }, escaped);
    const { result } = await ask<{ result: Series[] | [number, string]; resultType: string }>(
      target.instant ? 'query' : 'query_range',
      new URLSearchParams({ query: expr, ...moments(target, request.range, stepMs / 1000) })
    );
    const { refId, format = 'time_series', legendFormat = '' } = target;
    const series = typeof result[0] === 'number' ? [{ metric: {}, value: result as [number, string] }] : (result as Series[]);
    return { refId, format, legend: legendFormat, expr, stepMs, series };
  }
}

function moments({ instant }: Query, range: TimeRange, step: number): Record<string, string> {
  if (instant) {
    return { time: String(range.to.valueOf() / 1000) };
  }
  // On a fixed grid, so that a chart does not change its shape whenever it is refreshed.
  const aligned = (time: number) => Math.floor(time / 1000 / step) * step;
  return { start: String(aligned(range.from.valueOf())), end: String(aligned(range.to.valueOf())), step: String(step) };
}

/** Return Grafana's own variables; `$__rate_interval` holds four scrapes, so that a rate survives a lost one. */
function windows(stepMs: number, scrapeMs: number, range: TimeRange): ScopedVars {
  const rateMs = Math.max(stepMs + scrapeMs, 4 * scrapeMs);
  const rangeMs = range.to.valueOf() - range.from.valueOf();
  const seconds = (ms: number) => Math.round(ms / 1000);
  const duration = (ms: number) => (ms % 1000 ? `${ms}ms` : `${ms / 1000}s`);
  const values = {
    __interval: duration(stepMs),
    __interval_ms: stepMs,
    __rate_interval: duration(rateMs),
    __rate_interval_ms: rateMs,
    __range: `${seconds(rangeMs)}s`,
    __range_s: seconds(rangeMs),
    __range_ms: rangeMs,
  };
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value, text: String(value) }]));
}

/** Several values become alternatives of a regular expression; a single value of a plain variable stays as it is. */
function escaped(value: string | string[], variable: { multi?: boolean; includeAll?: boolean }): string {
  const inText = (text: string) => text.replace(/\\/g, '\\\\').replace(/"/g, '\\"');
  const inRegex = (text: string) => inText(text.replace(/[$^*{}[\]'+?.()|\\]/g, '\\$&'));
  if (typeof value !== 'string') {
    return value.length === 1 ? inRegex(value[0]) : `(${value.map(inRegex).join('|')})`;
  }
  return variable.multi || variable.includeAll ? inRegex(value) : inText(value);
}

function annotations(scrapeInterval: string): AnnotationSupport<Query, Annotation> {
  return {
    prepareAnnotation: (json) => json,
    prepareQuery: ({ expr = '', step }) => ({ refId: 'Anno', expr, interval: step ?? scrapeInterval }),
    processEvents: (annotation, frames) => of(frames.flatMap((frame) => eventsOf(annotation, frame))),
  };
}

/** Return an event for each stretch of time at which the series was there and not zero. */
function eventsOf({ titleFormat = '', textFormat = '' }: Annotation, { fields: [time, value] }: DataFrame): AnnotationEvent[] {
  const events: AnnotationEvent[] = [];
  const step = time.config.interval ?? 0;
  const labels = value.labels ?? {};
  time.values.forEach((moment: number, place: number) => {
    const last = events[events.length - 1];
    if (!value.values[place]) {
      return;
    }
    if (last && moment - last.timeEnd! <= step) {
      last.timeEnd = moment;
    } else {
      events.push({ time: moment, timeEnd: moment, title: legend(titleFormat, labels, ''), text: legend(textFormat, labels, '') });
    }
  });
  return events.map((event) => ({ ...event, isRegion: event.timeEnd !== event.time }));
}

async function ask<T>(call: string, form?: URLSearchParams): Promise<T> {
  const response = await fetch(`/api/v1/${call}`, form ? { method: 'POST', body: form } : undefined);
  const answer = await response.json();
  if (answer.status !== 'success') {
    throw new Error(answer.error ?? `Prometheus answers HTTP ${response.status}`);
  }
  return answer.data;
}
