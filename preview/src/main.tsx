// The page: a dashboard of `/dashboards.json` by its address `/d/<uid>`, with links to the others.

import { css } from '@emotion/css';
import { createTheme, ThemeContext } from '@grafana/data';
import { config, locationService, LocationServiceProvider } from '@grafana/runtime';
import { EmbeddedScene, UrlSyncContextProvider } from '@grafana/scenes';
import { GlobalStyles, PortalContainer, useTheme2 } from '@grafana/ui';
import { ReactNode, useEffect, useLayoutEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'react-router-dom';
import type { Dashboard } from './dashboard';
import { start } from './grafana';
import { register } from './panels';
import { isSettled, sceneOf } from './scene';
import { ofDashboard } from './unsupported';

interface Index {
  /** How often Prometheus scrapes, such as `15s`. */
  scrapeInterval: string;
  boards: Array<{ uid: string; title: string; path: string }>;
}

async function main(): Promise<void> {
  const index: Index = await (await fetch('/dashboards.json')).json();
  await start(index.scrapeInterval);
  register();
  const wanted = location.pathname.split('/')[2] ?? '';
  const board = index.boards.find(({ uid }) => uid === wanted) ?? (wanted ? undefined : index.boards[0]);
  const root = createRoot(document.getElementById('page')!);
  if (!board) {
    root.render(`There is no dashboard ${wanted}; there are: ${index.boards.map(({ uid }) => uid).join(', ')}`);
    return;
  }
  const dashboard: Dashboard = await (await fetch(board.path)).json();
  const viewed = new URLSearchParams(location.search).get('viewPanel');
  document.title = dashboard.title;
  const scene = sceneOf(dashboard, viewed === null ? null : Number(viewed.replace('panel-', '')));
  root.render(<Page index={index} dashboard={dashboard} scene={scene} />);
}

function Page({ index, dashboard, scene }: { index: Index; dashboard: Dashboard; scene: EmbeddedScene }) {
  const [theme] = useState(() => createTheme({ colors: { mode: new URLSearchParams(location.search).get('theme') === 'light' ? 'light' : 'dark' } }));
  config.theme2 = theme;
  useSettled(scene);
  const missing = ofDashboard(dashboard);
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Routed>
        <Sheet>
          <Others index={index} current={dashboard.uid} />
          {dashboard.description && <p>{dashboard.description}</p>}
          {missing.length > 0 && <p data-missing>not shown in the preview: {missing.join(', ')}</p>}
          <UrlSyncContextProvider scene={scene} updateUrlOnInit createBrowserHistorySteps>
            <scene.Component model={scene} />
          </UrlSyncContextProvider>
        </Sheet>
        <PortalContainer />
      </Routed>
    </ThemeContext.Provider>
  );
}

function Sheet({ children }: { children: ReactNode }) {
  const { colors } = useTheme2();
  return <main style={{ padding: 16, background: colors.background.canvas, minHeight: '100vh' }}>{children}</main>;
}

/** The other dashboards, with the time and the variables of this one. */
function Others({ index, current }: { index: Index; current: string }) {
  const keep = (event: { currentTarget: HTMLAnchorElement }) => {
    const query = new URLSearchParams(location.search);
    query.delete('viewPanel');
    event.currentTarget.search = query.toString();
  };
  return (
    <nav className={others}>
      {index.boards.map(({ uid, title }) => (
        <a key={uid} href={`/d/${uid}`} onClick={keep} onAuxClick={keep} aria-current={uid === current ? 'page' : undefined}>
          {title.replace(/^atlas-ops: /, '')}
        </a>
      ))}
    </nav>
  );
}

const others = css({ display: 'flex', flexWrap: 'wrap', gap: 16, marginBottom: 12, a: { opacity: 0.7 }, 'a[aria-current]': { opacity: 1, fontWeight: 500 } });

/** Let Grafana's own history drive the router that its components look for. */
function Routed({ children }: { children: ReactNode }) {
  const history = locationService.getHistory();
  const [at, setAt] = useState(history.location);
  useLayoutEffect(() => history.listen((next: typeof at) => setAt(next)), [history]);
  return (
    <LocationServiceProvider service={locationService}>
      <Router location={at} navigator={history}>
        {children}
      </Router>
    </LocationServiceProvider>
  );
}

/** Tell in the document whether every panel has its data; tests wait for it. */
function useSettled(scene: EmbeddedScene): void {
  useEffect(() => {
    const timer = setInterval(() => (document.documentElement.dataset.settled = String(isSettled(scene))), 100);
    return () => clearInterval(timer);
  }, [scene]);
}

main().catch((error: Error) => {
  document.body.textContent = `The preview does not start: ${error.message}`;
});
