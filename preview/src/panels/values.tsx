// Values of now: numbers, gauges and bars, one for each series.

import {
  DisplayValueAlignmentFactors,
  FieldDisplay,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  PanelProps,
  ReduceDataOptions,
  VizOrientation,
} from '@grafana/data';
import { BarGaugeDisplayMode, BarGaugeNamePlacement, BarGaugeValueMode, PercentChangeColorMode, VizTextDisplayOptions } from '@grafana/schema';
import {
  BarGauge,
  BigValue,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueJustifyMode,
  BigValueTextMode,
  DataLinksContextMenu,
  useTheme2,
  VizRepeater,
  VizRepeaterRenderValueProps,
} from '@grafana/ui';
import { ComponentType, JSX } from 'react';
import type { Kind } from '.';
import { Dial } from './Dial';

interface Options {
  reduceOptions: ReduceDataOptions;
  orientation: VizOrientation;
  text?: VizTextDisplayOptions;
  minVizWidth?: number;
  minVizHeight?: number;
  maxVizHeight?: number;
  graphMode?: BigValueGraphMode;
}
interface StatOptions extends Options {
  colorMode: BigValueColorMode;
  graphMode: BigValueGraphMode;
  justifyMode: BigValueJustifyMode;
  textMode: BigValueTextMode;
  wideLayout?: boolean;
  percentChangeColorMode?: PercentChangeColorMode;
}
interface GaugeOptions extends Options {
  showThresholdMarkers: boolean;
}
interface BarsOptions extends Options {
  displayMode: BarGaugeDisplayMode;
  valueMode?: BarGaugeValueMode;
  namePlacement?: BarGaugeNamePlacement;
  showUnfilled: boolean;
}

type One<O> = ComponentType<VizRepeaterRenderValueProps<FieldDisplay, DisplayValueAlignmentFactors> & { options: O }>;

/** Return a panel that draws `One` for each value, and leaves its links to a click. */
function repeated<O extends Options>(One: One<O>, { autoGrid = false } = {}) {
  return function Repeated({ data, width, height, options, fieldConfig, replaceVariables, timeZone, renderCounter }: PanelProps<O>) {
    const theme = useTheme2();
    const values = () =>
      getFieldDisplayValues({
        data: data.series,
        reduceOptions: options.reduceOptions,
        fieldConfig,
        replaceVariables,
        theme,
        timeZone,
        sparkline: options.graphMode !== undefined && options.graphMode !== BigValueGraphMode.None,
      });
    return (
      <VizRepeater
        source={data}
        getValues={values}
        getAlignmentFactors={getDisplayValueAlignmentFactors}
        renderValue={(props) => linked(props.value, <One {...props} options={options} />)}
        renderCounter={renderCounter}
        width={width}
        height={height}
        orientation={options.orientation}
        autoGrid={autoGrid}
        itemSpacing={autoGrid ? 3 : 10}
        minVizWidth={options.minVizWidth}
        minVizHeight={options.minVizHeight}
        maxVizHeight={options.maxVizHeight}
      />
    );
  };
}

function linked({ hasLinks, getLinks }: FieldDisplay, shown: JSX.Element): JSX.Element {
  return hasLinks && getLinks ? <DataLinksContextMenu links={getLinks}>{() => shown}</DataLinksContextMenu> : shown;
}

const Stat: One<StatOptions> = ({ value, alignmentFactors, width, height, count, options }) => (
  <BigValue
    value={value.display}
    count={count}
    sparkline={value.sparkline}
    alignmentFactors={alignmentFactors}
    width={width}
    height={height}
    theme={useTheme2()}
    colorMode={options.colorMode}
    graphMode={options.graphMode}
    justifyMode={options.justifyMode}
    textMode={options.textMode}
    text={options.text}
    disableWideLayout={!options.wideLayout}
    percentChangeColorMode={options.percentChangeColorMode}
    hasLinks={value.hasLinks}
  />
);

const Bar: One<BarsOptions> = ({ value, alignmentFactors, width, height, orientation, count, options }) => {
  const { field, display, view, colIndex } = value;
  return (
    <BarGauge
      value={count === 1 ? { ...display, title: undefined } : display}
      field={field}
      display={view?.getFieldDisplayProcessor(colIndex ?? 0)}
      alignmentFactors={count === 1 ? { ...alignmentFactors, title: '' } : alignmentFactors}
      width={width}
      height={height}
      theme={useTheme2()}
      orientation={orientation}
      text={options.text}
      displayMode={options.displayMode}
      showUnfilled={options.showUnfilled}
      valueDisplayMode={options.valueMode}
      namePlacement={options.namePlacement}
    />
  );
};

const Gauge: One<GaugeOptions> = ({ value, width, height, count, options }) => (
  <Dial
    value={value.display}
    field={value.field}
    title={count > 1 ? value.display.title ?? '' : ''}
    width={width}
    height={height}
    markers={options.showThresholdMarkers}
  />
);

const COMMON = ['reduceOptions', 'orientation', 'text', 'minVizWidth', 'minVizHeight', 'sizing'];

export const stat: Kind = {
  component: repeated(Stat, { autoGrid: true }),
  options: [...COMMON, 'colorMode', 'graphMode', 'justifyMode', 'textMode', 'wideLayout', 'percentChangeColorMode'],
  custom: [],
};
export const gauge: Kind = {
  component: repeated(Gauge),
  options: [...COMMON, 'showThresholdMarkers'],
  custom: [],
};
export const bargauge: Kind = {
  component: repeated(Bar),
  options: [...COMMON, 'maxVizHeight', 'displayMode', 'valueMode', 'namePlacement', 'showUnfilled', 'legend'],
  custom: [],
};
