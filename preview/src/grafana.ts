// What the core of Grafana hands to its own packages before they work: registries of field options and transformations,
// and services. Called once by `main`.

import {
  dataLinksOverrideProcessor,
  DataSourceApi,
  displayNameOverrideProcessor,
  EventBusSrv,
  FieldConfigPropertyItem,
  identityOverrideProcessor,
  LoadingState,
  numberOverrideProcessor,
  PanelData,
  standardEditorsRegistry,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  thresholdsOverrideProcessor,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { setAppEvents, setDataSourceSrv, setEchoSrv, setPluginImportUtils, setRunRequest, setTemplateSrv, toDataQueryError } from '@grafana/runtime';
import { sceneGraph } from '@grafana/scenes';
import { catchError, from, map, Observable, of, startWith } from 'rxjs';
import { Prometheus, settings } from './prometheus';

type Process = FieldConfigPropertyItem['process'];

/** The options of a field that panels of every kind have, and how each is read. */
const FIELD_OPTIONS: Record<string, Process> = {
  unit: unitOverrideProcessor as Process,
  min: numberOverrideProcessor as Process,
  max: numberOverrideProcessor as Process,
  fieldMinMax: identityOverrideProcessor,
  decimals: numberOverrideProcessor as Process,
  displayName: displayNameOverrideProcessor as Process,
  color: identityOverrideProcessor,
  noValue: displayNameOverrideProcessor as Process,
  links: dataLinksOverrideProcessor,
  mappings: valueMappingsOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
  filterable: identityOverrideProcessor,
};
export const STANDARD_FIELD_OPTIONS = Object.keys(FIELD_OPTIONS);

const nothing = () => null;

/** Return a field option that is only read, never edited. */
export function fieldOption(path: string, process: Process = identityOverrideProcessor): FieldConfigPropertyItem {
  return { id: path, path, name: path, editor: nothing, override: nothing, process, shouldApply: () => true };
}

export async function start(scrapeInterval: string): Promise<void> {
  await initPluginTranslations('atlas-ops-preview', []);
  standardEditorsRegistry.setInit(() => []);
  standardFieldConfigEditorRegistry.setInit(() => Object.entries(FIELD_OPTIONS).map(([path, process]) => fieldOption(path, process)));
  standardTransformersRegistry.setInit(() =>
    // One of them has two names there.
    [...new Set(Object.values(standardTransformers))].map((info) => ({
      id: info.id,
      name: info.name,
      transformation: () => Promise.resolve(info),
      editor: nothing,
      imageDark: '',
      imageLight: '',
    }))
  );
  setAppEvents(new EventBusSrv());
  setEchoSrv({ flush: nothing, addBackend: nothing, addEvent: nothing, onInteraction: () => () => {} });
  setPluginImportUtils({ importPanelPlugin: (id) => Promise.reject(new Error(id)), getPanelPluginFromCache: () => undefined });
  setTemplateSrv({
    getVariables: () => [],
    containsTemplate: () => false,
    updateTimeRange: nothing,
    replace: (text, vars, format) => sceneGraph.interpolate(vars?.__sceneObject?.value.valueOf(), text, vars, format as string),
  });
  const prometheus = new Prometheus(scrapeInterval) as unknown as DataSourceApi;
  setDataSourceSrv({
    get: () => Promise.resolve(prometheus),
    getList: () => [settings()],
    getInstanceSettings: () => settings(),
    reload: () => Promise.resolve(),
    registerRuntimeDataSource: nothing,
  });
  setRunRequest((source, request): Observable<PanelData> => {
    const begun = { state: LoadingState.Loading, series: [], timeRange: request.range, request };
    return from(source.query(request)).pipe(
      map(({ data }) => ({ ...begun, state: LoadingState.Done, series: data })),
      catchError((error) => of({ ...begun, state: LoadingState.Error, errors: [toDataQueryError(error)] })),
      startWith(begun)
    );
  });
}
