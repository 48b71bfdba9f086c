// The kinds of panels that the preview shows. Grafana's panel plugins are not published as packages, so these are shells
// of our own around the components that are. Each says which options it understands; everything else is told in the panel.

import { FieldConfigEditorBuilder, PanelPlugin, PanelProps } from '@grafana/data';
import { sceneUtils } from '@grafana/scenes';
import { ComponentType } from 'react';
import { fieldOption } from '../grafana';
import { bargauge, gauge, stat } from './values';
import { heatmap } from './heatmap';
import { stateTimeline } from './states';
import { table } from './table';
import { text } from './text';
import { timeseries } from './timeseries';

/** One kind of panel. Paths are dotted; a path covers everything below it. */
export interface Kind {
  component: ComponentType<PanelProps<any>>;
  /** Paths below `options` that have an effect here. */
  options: string[];
  /** Paths below `fieldConfig.defaults.custom` that have an effect here. */
  custom: string[];
  /** Whether annotations are drawn. */
  annotations?: boolean;
  /** Whether it shows no data at all. */
  bare?: boolean;
}

export const KINDS: Record<string, Kind> = {
  timeseries,
  stat,
  gauge,
  bargauge,
  heatmap,
  'state-timeline': stateTimeline,
  table,
  text,
};

/** Stands in for kinds that are not among these: it says so. */
export const UNKNOWN = 'unknown';
const unknown: Kind = { ...text, component: () => null };

/** Make the kinds known to Grafana's scenes. */
export function register(): void {
  for (const [pluginId, kind] of Object.entries({ ...KINDS, [UNKNOWN]: unknown })) {
    const plugin = new PanelPlugin(kind.component)
      .setDataSupport({ annotations: kind.annotations ?? false, alertStates: false })
      .useFieldConfig({ useCustomConfig: (builder) => custom(builder, kind.custom) });
    sceneUtils.registerRuntimePanelPlugin({ pluginId, plugin });
    plugin.meta.skipDataQuery = kind.bare;
  }
}

function custom(builder: FieldConfigEditorBuilder<any>, paths: string[]): void {
  for (const path of paths) {
    builder.addCustomEditor(fieldOption(path));
  }
}
