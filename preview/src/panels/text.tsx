// Text for the reader, in Markdown.

import { PanelProps, renderTextPanelMarkdown } from '@grafana/data';
import type { Kind } from '.';

function Text({ options, replaceVariables }: PanelProps<{ content: string }>) {
  // Grafana's renderer leaves no scripts in it.
  const html = renderTextPanelMarkdown(replaceVariables(options.content));
  return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: html }} />;
}

export const text: Kind = { component: Text, options: ['mode', 'content'], custom: [], bare: true };
