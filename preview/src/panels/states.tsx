// What each series was, and since when: one band for each, in the colours of the value mappings.

import { DataFrame, Field, FieldType, formattedValueToString, getFieldDisplayName, MappingType, PanelProps } from '@grafana/data';
import { VizLegendOptions } from '@grafana/schema';
import { DataLinksContextMenu, measureText, useTheme2, VizLayout, VizLegend, VizLegendItem } from '@grafana/ui';
import { JSX } from 'react';
import type { Kind } from '.';
import { NoData } from './NoData';
import { AXIS_HEIGHT, TimeAxis } from './TimeAxis';

interface Options {
  mergeValues: boolean;
  showValue: string;
  alignValue: 'left' | 'center' | 'right';
  rowHeight: number;
  legend: VizLegendOptions;
}
interface Band {
  from: number;
  to: number;
  place: number;
  value: number;
}

function States({ data, width, height, options, fieldConfig, timeRange, timeZone }: PanelProps<Options>) {
  const { visualization } = useTheme2();
  const rows = data.series.flatMap((frame) =>
    frame.fields.filter(({ type }) => type === FieldType.number).map((field) => ({ frame, field, name: getFieldDisplayName(field, frame, data.series) }))
  );
  if (!rows.length) {
    return <NoData fieldConfig={fieldConfig} />;
  }
  const labels = Math.min(width / 3, Math.max(...rows.map(({ name }) => measureText(name, 12).width)) + 12);
  return (
    <VizLayout width={width} height={height} legend={legendOf(rows[0].field, options.legend, visualization.getColorByName)}>
      {(wide, high) => {
        const tall = (high - AXIS_HEIGHT) / rows.length;
        return (
          <div style={{ position: 'relative', width: wide, height: high, fontSize: 12 }}>
            {rows.map(({ frame, field, name }, row) => (
              <div key={name + row} style={{ position: 'absolute', top: row * tall, height: tall, left: 0, right: 0 }}>
                <div title={name} style={{ width: labels - 8, lineHeight: `${tall}px`, ...cut, textAlign: 'right' }}>
                  {name}
                </div>
                {bands(frame, field, timeRange.to.valueOf(), options.mergeValues).map((band) => (
                  <Block
                    key={band.from}
                    {...{ band, field, options, tall }}
                    left={labels}
                    width={wide - labels}
                    from={timeRange.from.valueOf()}
                    to={timeRange.to.valueOf()}
                  />
                ))}
              </div>
            ))}
            <TimeAxis range={timeRange} timeZone={timeZone} left={labels} width={wide - labels} />
          </div>
        );
      }}
    </VizLayout>
  );
}

interface BlockProps {
  band: Band;
  field: Field;
  options: Options;
  tall: number;
  left: number;
  width: number;
  from: number;
  to: number;
}

function Block({ band, field, options, tall, left, width, from, to }: BlockProps): JSX.Element {
  const theme = useTheme2();
  const shown = field.display!(band.value);
  const text = formattedValueToString(shown);
  const at = (time: number) => left + (Math.min(Math.max(time, from), to) - from) / (to - from) * width;
  const wide = at(band.to) - at(band.from);
  const colour = theme.visualization.getColorByName(shown.color ?? 'gray');
  const { fillOpacity = 70, lineWidth = 0 } = field.config.custom ?? {};
  const fits = options.showValue !== 'never' && wide > measureText(text, 12).width + 8 && tall > 14;
  const block = (
    <div
      title={text}
      style={{
        position: 'absolute',
        left: at(band.from),
        width: wide,
        top: (tall * (1 - options.rowHeight)) / 2,
        height: tall * options.rowHeight,
        lineHeight: `${tall * options.rowHeight}px`,
        background: colour,
        opacity: fillOpacity / 100,
        outline: `${lineWidth}px solid ${colour}`,
        color: theme.colors.getContrastText(colour),
        textAlign: options.alignValue,
        padding: '0 4px',
        ...cut,
      }}
    >
      {fits && text}
    </div>
  );
  const links = field.getLinks;
  return field.config.links?.length && links ? (
    <DataLinksContextMenu links={() => links({ valueRowIndex: band.place })}>{() => block}</DataLinksContextMenu>
  ) : (
    block
  );
}

/** Return the stretches of equal values; each ends where the next value comes, or where one was due and did not come. */
function bands(frame: DataFrame, field: Field, end: number, merge: boolean): Band[] {
  const time = frame.fields.find(({ type }) => type === FieldType.time)!;
  const step = time.config.interval ?? Infinity;
  const found: Band[] = [];
  time.values.forEach((moment: number, place: number) => {
    const value = field.values[place];
    const last = found[found.length - 1];
    const to = Math.min(moment + step, end);
    if (value === null || Number.isNaN(value)) {
      return;
    }
    if (merge && last && last.value === value && moment <= last.to) {
      last.to = to;
    } else {
      found.push({ from: moment, to, place, value });
    }
  });
  return found.map((band, place) => ({ ...band, to: Math.min(band.to, found[place + 1]?.from ?? band.to) }));
}

function legendOf({ config }: Field, options: VizLegendOptions, colour: (name: string) => string): JSX.Element | null {
  const items = (config.mappings ?? [])
    .flatMap((mapping) => (mapping.type === MappingType.ValueToText ? Object.values(mapping.options) : []))
    .map(({ text, color }): VizLegendItem => ({ label: text ?? '', color: colour(color ?? 'gray'), yAxis: 1 }));
  return options.showLegend && items.length ? (
    <VizLayout.Legend placement={options.placement}>
      <VizLegend items={items} placement={options.placement} displayMode={options.displayMode} readonly />
    </VizLayout.Legend>
  ) : null;
}

const cut = { overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' } as const;

export const stateTimeline: Kind = {
  component: States,
  options: ['alignValue', 'legend', 'mergeValues', 'rowHeight', 'showValue', 'tooltip.mode', 'tooltip.sort'],
  custom: ['fillOpacity', 'lineWidth', 'hideFrom'],
};
