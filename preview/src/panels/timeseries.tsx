// Values over time: Grafana's own chart, with its tooltip, its legend, the line of a threshold, and annotations.

import { dateTimeFormat, Field, FieldType, PanelProps, DataFrame } from '@grafana/data';
import { SortOrder, TooltipDisplayMode, VizLegendOptions, VizTooltipOptions } from '@grafana/schema';
import {
  getFieldDisplayItems,
  getFieldDisplayLinks,
  TimeSeries,
  TooltipPlugin2,
  usePanelContext,
  VizTooltipContent,
  VizTooltipFooter,
  VizTooltipHeader,
  VizTooltipWrapper,
} from '@grafana/ui';
import { useMemo } from 'react';
import { Annotations } from './Annotations';
import type { Kind } from '.';
import { NoData } from './NoData';

interface Options {
  legend: VizLegendOptions;
  tooltip: VizTooltipOptions;
}

/** Values of `TooltipHoverMode`, which is not exported: one series, all of them. */
const HOVER_ONE = 0;
const HOVER_ALL = 1;

function Chart({ data, width, height, options, fieldConfig, timeRange, timeZone, onChangeTimeRange }: PanelProps<Options>) {
  const frames = useMemo(() => data.series.map(drawable).filter((frame) => frame.fields.length > 1), [data.series]);
  const { sync, eventsScope } = usePanelContext();
  if (!frames.length) {
    return <NoData fieldConfig={fieldConfig} />;
  }
  const { tooltip } = options;
  const all = tooltip.mode === TooltipDisplayMode.Multi;
  return (
    <TimeSeries
      frames={frames}
      structureRev={data.structureRev}
      timeRange={timeRange}
      timeZone={timeZone}
      width={width}
      height={height}
      legend={options.legend}
      options={options}
    >
      {(config, aligned) => (
        <>
          {tooltip.mode !== TooltipDisplayMode.None && (
            <TooltipPlugin2
              config={config}
              hoverMode={all ? HOVER_ALL : HOVER_ONE}
              syncMode={sync?.()}
              syncScope={eventsScope}
              queryZoom={(range) => onChangeTimeRange(range as any)}
              render={(_plot, places, series, pinned) => (
                <Hovered frame={aligned} places={places} series={series} pinned={pinned} tooltip={tooltip} timeZone={timeZone} />
              )}
            />
          )}
          <Annotations config={config} frames={data.annotations ?? []} />
        </>
      )}
    </TimeSeries>
  );
}

interface HoveredProps {
  frame: DataFrame;
  places: Array<number | null>;
  series: number | null;
  pinned: boolean;
  tooltip: VizTooltipOptions;
  timeZone: string;
}

function Hovered({ frame, places, series, pinned, tooltip, timeZone }: HoveredProps) {
  const time = frame.fields[0];
  const items = getFieldDisplayItems(frame.fields, time, places, series, tooltip.mode, tooltip.sort ?? SortOrder.None);
  const place = series === null ? null : places[series];
  const links = place === null || series === null ? [] : getFieldDisplayLinks(frame.fields[series], place);
  const moment = time.values[places[0] ?? 0];
  return (
    <VizTooltipWrapper>
      <VizTooltipHeader item={{ label: '', value: dateTimeFormat(moment, { timeZone }) }} isPinned={pinned} />
      <VizTooltipContent items={items} isPinned={pinned} />
      {pinned && links.length > 0 && <VizTooltipFooter dataLinks={links} />}
    </VizTooltipWrapper>
  );
}

/** What is no number has no place in a chart; Grafana's own panel leaves it out as well. */
function drawable(frame: DataFrame): DataFrame {
  return { ...frame, fields: frame.fields.map((field) => (field.type === FieldType.number ? finite(field) : field)) };
}

function finite(field: Field): Field {
  return { ...field, values: field.values.map((value) => (Number.isFinite(value) ? value : null)) };
}

export const timeseries: Kind = {
  component: Chart,
  annotations: true,
  options: ['legend', 'tooltip.mode', 'tooltip.sort'],
  custom: [
    'axisBorderShow', 'axisColorMode', 'axisGridShow', 'axisLabel', 'axisPlacement', 'axisSoftMax', 'axisSoftMin', 'axisWidth',
    'axisCenteredZero', 'barAlignment', 'drawStyle', 'fillBelowTo', 'fillOpacity', 'gradientMode', 'hideFrom', 'lineColor',
    'lineInterpolation', 'lineStyle', 'lineWidth', 'pointSize', 'scaleDistribution', 'showPoints', 'spanNulls', 'stacking',
    'thresholdsStyle', 'transform',
  ],
};
