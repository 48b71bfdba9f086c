// The panels of a dashboard on Grafana's grid: rows that open and close, and come once for each value of a variable.
// Grafana's own grid can be rearranged by hand and draws only what is in sight; this one stands still and draws it all.

import { css } from '@emotion/css';
import {
  LocalValueVariable,
  MultiValueVariable,
  MultiValueVariableState,
  SceneComponentProps,
  sceneGraph,
  SceneObjectBase,
  SceneObjectState,
  SceneVariable,
  SceneVariableSet,
  VariableDependencyConfig,
  VariableValueSingle,
  VizPanel,
} from '@grafana/scenes';
import { Icon } from '@grafana/ui';
import type { Panel } from './dashboard';

/** A row as it is written down; without a title it is what stands before the first row. */
export interface Row {
  key: string;
  title: string;
  repeat?: string;
  collapsed: boolean;
  panels: Panel[];
}

interface Place {
  x: number;
  y: number;
  w: number;
  h: number;
}

/** One panel and its place within its row. */
class Cell extends SceneObjectBase<SceneObjectState & { place: Place; body: VizPanel }> {
  static Component = ({ model }: SceneComponentProps<Cell>) => {
    const { place, body } = model.useState();
    return (
      <div data-panel={body.state.key} style={spanning(place)}>
        <body.Component model={body} />
      </div>
    );
  };
}

interface BandState extends SceneObjectState {
  title: string;
  collapsed: boolean;
  cells: Cell[];
}

/** A row as it is shown. */
class Band extends SceneObjectBase<BandState> {
  static Component = ({ model }: SceneComponentProps<Band>) => {
    const { title, collapsed, cells } = model.useState();
    return (
      <>
        {title && (
          <button className={heading} data-row aria-expanded={!collapsed} onClick={() => model.setState({ collapsed: !collapsed })}>
            <Icon name={collapsed ? 'angle-right' : 'angle-down'} /> {sceneGraph.interpolate(model, title, undefined, 'text')}
          </button>
        )}
        {!collapsed && (
          <div className={grid}>
            {cells.map((cell) => (
              <cell.Component key={cell.state.key} model={cell} />
            ))}
          </div>
        )}
      </>
    );
  };
}

interface BoardState extends SceneObjectState {
  rows: Row[];
  make: (panel: Panel) => VizPanel;
  bands: Band[];
}

export class Board extends SceneObjectBase<BoardState> {
  protected _variableDependency = new VariableDependencyConfig<BoardState>(this, {
    variableNames: this.state.rows.flatMap(({ repeat }) => repeat ?? []),
    onVariableUpdateCompleted: () => this.lay(),
  });

  constructor(rows: Row[], make: (panel: Panel) => VizPanel) {
    super({ rows, make, bands: [] });
    this.addActivationHandler(() => this.lay());
  }

  private lay(): void {
    if (this._variableDependency.hasDependencyInLoadingState()) {
      return;
    }
    this.setState({ bands: this.state.rows.flatMap((row) => (row.repeat ? this.copies(row, row.repeat) : [this.band(row)])) });
  }

  private copies(row: Row, name: string): Band[] {
    return valuesOf(sceneGraph.lookupVariable(name, this)).map(({ value, text }) => {
      const chosen = new SceneVariableSet({ variables: [new LocalValueVariable({ name, value, text })] });
      return this.band({ ...row, key: `${row.key}-${value}` }, chosen);
    });
  }

  private band({ key, title, collapsed, panels }: Row, $variables?: SceneVariableSet): Band {
    const top = Math.min(...panels.map(({ gridPos }) => gridPos.y));
    const cells = panels.map((panel) => {
      const place = { ...panel.gridPos, y: panel.gridPos.y - top };
      return new Cell({ key: `${key}-${panel.id}`, place, body: this.state.make(panel) });
    });
    return new Band({ key, title, collapsed, cells, $variables });
  }

  static Component = ({ model }: SceneComponentProps<Board>) => {
    const { bands } = model.useState();
    return (
      <div style={{ width: '100%' }}>
        {bands.map((band) => (
          <band.Component key={band.state.key} model={band} />
        ))}
      </div>
    );
  };
}

function valuesOf(variable: SceneVariable | null): Array<{ value: VariableValueSingle; text: string }> {
  if (!(variable instanceof MultiValueVariable)) {
    return [];
  }
  const { value, text, options }: MultiValueVariableState = variable.state;
  if (variable.hasAllValue()) {
    return options.map((option) => ({ value: option.value, text: option.label }));
  }
  return Array.isArray(value) ? value.map((one, place) => ({ value: one, text: String((text as string[])[place]) })) : [{ value, text: String(text) }];
}

const GAP = 8; // pixels, as in Grafana
const CELL = 30;

const grid = css({ display: 'grid', gridTemplateColumns: 'repeat(24, minmax(0, 1fr))', gridAutoRows: CELL, gap: GAP, marginBottom: GAP });
const heading = css({ display: 'block', width: '100%', padding: '8px 0', border: 0, background: 'none', textAlign: 'left', fontWeight: 500 });

function spanning({ x, y, w, h }: Place) {
  return { gridColumn: `${x + 1} / span ${w}`, gridRow: `${y + 1} / span ${h}`, position: 'relative' } as const;
}
