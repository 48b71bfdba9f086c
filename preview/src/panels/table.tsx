// Rows of values of now.

import { PanelProps } from '@grafana/data';
import { TableCellHeight } from '@grafana/schema';
import { Table } from '@grafana/ui';
import type { Kind } from '.';
import { NoData } from './NoData';

interface Options {
  showHeader: boolean;
  cellHeight?: TableCellHeight;
  frameIndex?: number;
}

function Rows({ data, width, height, options, fieldConfig, timeRange, replaceVariables }: PanelProps<Options>) {
  const frame = data.series[options.frameIndex ?? 0];
  if (!frame?.length) {
    return <NoData fieldConfig={fieldConfig} />;
  }
  return (
    <Table
      data={frame}
      width={width}
      height={height}
      noHeader={!options.showHeader}
      cellHeight={options.cellHeight}
      resizable
      timeRange={timeRange}
      fieldConfig={fieldConfig}
      replaceVariables={replaceVariables}
    />
  );
}

export const table: Kind = {
  component: Rows,
  // What a footer would sum up counts for nothing while it is not shown.
  options: ['showHeader', 'cellHeight', 'footer.reducer', 'frameIndex'],
  custom: ['align', 'cellOptions', 'width', 'minWidth', 'hidden', 'inspect', 'filterable'],
};
