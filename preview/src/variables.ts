// Variables of a dashboard's JSON as Grafana's scenes have them. Called by `scene`.

import { VariableHide } from '@grafana/data';
import { ConstantVariable, CustomVariable, DataSourceVariable, QueryVariable, SceneVariable, TextBoxVariable } from '@grafana/scenes';
import type { Variable } from './dashboard';

type Make = (variable: Variable) => SceneVariable;

/** The kinds of variables that the preview knows. */
export const VARIABLES: Record<string, Make> = {
  datasource: (variable) => new DataSourceVariable({ ...common(variable), pluginId: text(variable), regex: variable.regex ?? '' }),
  query: (variable) =>
    new QueryVariable({
      ...choice(variable),
      query: variable.query,
      datasource: variable.datasource ?? null,
      regex: variable.regex ?? '',
      refresh: variable.refresh,
      sort: variable.sort,
    }),
  custom: (variable) => new CustomVariable({ ...choice(variable), query: text(variable) }),
  constant: (variable) => new ConstantVariable({ ...common(variable), value: text(variable) }),
  textbox: (variable) => new TextBoxVariable({ ...common(variable), value: text(variable) }),
};

export function variable(json: Variable): SceneVariable[] {
  const make = VARIABLES[json.type];
  return make ? [make(json)] : [];
}

function common({ name, label, hide }: Variable) {
  return { name, label, hide: hide as VariableHide };
}

function choice(variable: Variable) {
  const { multi, includeAll, allValue, current } = variable;
  return {
    ...common(variable),
    isMulti: multi,
    includeAll,
    allValue,
    defaultToAll: includeAll,
    value: current?.value ?? '',
    text: current?.text ?? '',
  };
}

function text({ query }: Variable): string {
  return typeof query === 'string' ? query : query.query;
}
