// What stands in a panel whose queries found nothing. Used by the other kinds.

import { css } from '@emotion/css';
import { PanelProps } from '@grafana/data';

export function NoData({ fieldConfig }: Pick<PanelProps, 'fieldConfig'>) {
  return <div className={centred}>{fieldConfig.defaults.noValue ?? 'No data'}</div>;
}

const centred = css({ height: '100%', display: 'flex', alignItems: 'center', justifyContent: 'center', opacity: 0.6 });
