// Finds what a dashboard asks for and the preview does not show, so that it can be said. Called by `scene`.

import { standardTransformersRegistry } from '@grafana/data';
import type { Dashboard, Panel } from './dashboard';
import { STANDARD_FIELD_OPTIONS } from './grafana';
import { KINDS } from './panels';
import { VARIABLES } from './variables';

const OF_PANELS = [
  'id', 'type', 'title', 'description', 'gridPos', 'datasource', 'targets', 'options', 'fieldConfig', 'transformations', 'pluginVersion',
];
const OF_TARGETS = [
  'refId', 'datasource', 'editorMode', 'expr', 'legendFormat', 'format', 'instant', 'range', 'interval', 'hide', 'intervalFactor',
];
const OF_DASHBOARDS = [
  'uid', 'id', 'title', 'description', 'time', 'timezone', 'refresh', 'graphTooltip', 'timepicker', 'annotations', 'templating', 'panels',
  'tags', 'version', 'schemaVersion', 'links', 'fiscalYearStartMonth', 'weekStart',
];

/** Return what a panel has that is not shown, by its path in the panel's JSON. */
export function ofPanel(panel: Panel): string[] {
  const kind = KINDS[panel.type];
  if (!kind) {
    return [`panels of the kind ${panel.type}`];
  }
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  const { custom, ...standard } = defaults;
  const known = [...STANDARD_FIELD_OPTIONS, ...kind.custom.map((path) => `custom.${path}`)];
  return [
    ...unknown(panel, OF_PANELS),
    ...(panel.targets ?? []).flatMap((target) => unknown(target, OF_TARGETS, 'targets.')),
    ...unknown(panel.options ?? {}, kind.options, 'options.'),
    ...unknown(standard, STANDARD_FIELD_OPTIONS, 'fieldConfig.'),
    ...unknown(custom ?? {}, kind.custom, 'fieldConfig.custom.'),
    ...overrides.flatMap(({ properties }) => properties.map(({ id }) => id).filter((id) => !covers(known, id))).map((id) => `override of ${id}`),
    ...(panel.transformations ?? []).filter(({ id }) => !standardTransformersRegistry.getIfExists(id)).map(({ id }) => `transformation ${id}`),
  ].filter((path, place, all) => all.indexOf(path) === place);
}

/** Return what a dashboard itself has that is not shown. */
export function ofDashboard(dashboard: Dashboard): string[] {
  const variables = (dashboard.templating?.list ?? []).filter(({ type }) => !(type in VARIABLES));
  return [...unknown(dashboard, OF_DASHBOARDS), ...variables.map(({ name, type }) => `variable ${name} (${type})`)];
}

/** Return the paths of everything that is switched on and not among the known ones. */
function unknown(value: object, known: string[], prefix = ''): string[] {
  return leaves(value, '')
    .filter((path) => !covers(known, path))
    .map((path) => prefix + path);
}

function covers(known: string[], path: string): boolean {
  return known.some((one) => path === one || path.startsWith(`${one}.`));
}

function leaves(value: unknown, path: string): string[] {
  if (value && typeof value === 'object' && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([key, inner]) => leaves(inner, path ? `${path}.${key}` : key));
  }
  const off = value === null || value === undefined || value === false || value === '' || (Array.isArray(value) && !value.length);
  return off ? [] : [path];
}
