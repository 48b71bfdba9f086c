// A dashboard's JSON as a scene: variables, time, annotations, and panels with their queries. Called by `main`.

import { LoadingState } from '@grafana/data';
import { DashboardCursorSync } from '@grafana/schema';
import { InlineSwitch } from '@grafana/ui';
import {
  behaviors,
  dataLayers,
  EmbeddedScene,
  SceneControlsSpacer,
  SceneDataLayerSet,
  SceneDataTransformer,
  sceneGraph,
  SceneQueryRunner,
  SceneReactObject,
  SceneRefreshPicker,
  SceneTimePicker,
  SceneTimeRange,
  SceneVariableSet,
  VariableValueSelectors,
  VizPanel,
} from '@grafana/scenes';
import { Board, Row } from './Board';
import type { Dashboard, Panel } from './dashboard';
import { KINDS, UNKNOWN } from './panels';
import { ofPanel } from './unsupported';
import { variable } from './variables';

/** Return the scene of a dashboard, or of one of its panels alone, as Grafana's own `viewPanel` does. */
export function sceneOf(dashboard: Dashboard, alone: number | null): EmbeddedScene {
  const { time, timezone, refresh, timepicker, graphTooltip, annotations, templating } = dashboard;
  const layers = (annotations?.list ?? []).map(
    (query) => new dataLayers.AnnotationsDataLayer({ name: query.name, query, isEnabled: query.enable, isHidden: query.hide })
  );
  return new EmbeddedScene({
    $timeRange: new SceneTimeRange({ from: time.from, to: time.to, timeZone: timezone }),
    $variables: new SceneVariableSet({ variables: (templating?.list ?? []).flatMap(variable) }),
    $data: new SceneDataLayerSet({ layers }),
    $behaviors: [new behaviors.CursorSync({ key: 'cursor', sync: graphTooltip as DashboardCursorSync })],
    controls: [
      new VariableValueSelectors({}),
      new SceneReactObject({ component: Toggles, props: { layers: layers.filter(({ state }) => !state.isHidden) } }),
      new SceneControlsSpacer(),
      new SceneTimePicker({}),
      new SceneRefreshPicker({ refresh: refresh || '', intervals: timepicker?.refresh_intervals }),
    ],
    body: new Board(alone === null ? rowsOf(dashboard.panels) : [only(dashboard.panels, alone)], vizPanel),
  });
}

type Layer = InstanceType<typeof dataLayers.AnnotationsDataLayer>;

function Toggles({ layers }: { layers: Layer[] }) {
  return layers.map((layer) => <Toggle key={layer.state.name} layer={layer} />);
}

function Toggle({ layer }: { layer: Layer }) {
  const { name, isEnabled } = layer.useState();
  return <InlineSwitch label={name} showLabel value={isEnabled} onChange={() => layer.setState({ isEnabled: !isEnabled })} />;
}

/** Say whether every query has been answered or refused. */
export function isSettled(scene: EmbeddedScene): boolean {
  const panels = sceneGraph.findAllObjects(scene, (one) => one instanceof VizPanel) as VizPanel[];
  const states = panels.filter(({ state }) => state.$data).map((panel) => sceneGraph.getData(panel).state.data?.state);
  return panels.length > 0 && states.every((state) => state === LoadingState.Done || state === LoadingState.Error);
}

function rowsOf(panels: Panel[]): Row[] {
  const rows: Row[] = [{ key: 'top', title: '', collapsed: false, panels: [] }];
  for (const panel of panels) {
    if (panel.type === 'row') {
      const { id, title, repeat, collapsed = false, panels: inside = [] } = panel;
      rows.push({ key: `row-${id}`, title, repeat, collapsed, panels: [...inside] });
    } else {
      rows[rows.length - 1].panels.push(panel);
    }
  }
  return rows.filter(({ title, panels: inside }) => title || inside.length);
}

function only(panels: Panel[], id: number): Row {
  const all = panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  const found = all.filter((panel) => panel.id === id && panel.type !== 'row');
  return { key: 'only', title: '', collapsed: false, panels: found.map((panel) => ({ ...panel, gridPos: { x: 0, y: 0, w: 24, h: 18 } })) };
}

function vizPanel(panel: Panel): VizPanel {
  const { id, type, title, description, options = {}, fieldConfig = { defaults: {}, overrides: [] } } = panel;
  const missing = ofPanel(panel);
  return new VizPanel({
    key: `panel-${id}`,
    pluginId: type in KINDS ? type : UNKNOWN,
    title,
    description,
    options,
    fieldConfig,
    $data: dataOf(panel),
    subHeader: missing.length ? <small data-missing>not shown in the preview: {missing.join(', ')}</small> : undefined,
  });
}

function dataOf({ targets, datasource, transformations, type }: Panel): SceneDataTransformer | undefined {
  if (!targets?.length || !(type in KINDS)) {
    return undefined;
  }
  // Scenes may change what they are given; the JSON is needed again for every copy of a repeated row.
  const $data = new SceneQueryRunner({ queries: structuredClone(targets), datasource, maxDataPointsFromWidth: true });
  return new SceneDataTransformer({ $data, transformations: structuredClone(transformations ?? []) });
}
