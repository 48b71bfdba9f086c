// What the preview reads of a dashboard's JSON.

import { AnnotationQuery, DataTransformerConfig, FieldConfigSource } from '@grafana/data';
import { DataSourceRef } from '@grafana/schema';
import type { Query } from './prometheus';

export interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: DataSourceRef;
  targets?: Query[];
  options?: object;
  fieldConfig?: FieldConfigSource;
  transformations?: DataTransformerConfig[];
  /** Of a row: the variable that it is repeated for. */
  repeat?: string;
  /** Of a row. */
  collapsed?: boolean;
  /** Of a collapsed row: what is below it. */
  panels?: Panel[];
}

export interface Variable {
  name: string;
  label?: string;
  type: string;
  query: string | { query: string; refId: string };
  datasource?: DataSourceRef;
  current?: { value?: string | string[]; text?: string | string[] };
  hide?: number;
  includeAll?: boolean;
  allValue?: string;
  multi?: boolean;
  regex?: string;
  refresh?: number;
  sort?: number;
}

export interface Dashboard {
  uid: string;
  title: string;
  description?: string;
  time: { from: string; to: string };
  timezone?: string;
  refresh?: string;
  graphTooltip?: number;
  timepicker?: { refresh_intervals?: string[] };
  annotations?: { list: AnnotationQuery[] };
  templating?: { list: Variable[] };
  panels: Panel[];
}
